"""The HTTP API of sms4sats: numbers for codes, rentals and messages, paid over Lightning."""
