"""ComToHome's HTTP API for parcels: the server's side and the client's."""
