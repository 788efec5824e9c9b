"""Papers of consignments: labels, customs forms, proforma invoices. A consignment in, a file's bytes out."""
