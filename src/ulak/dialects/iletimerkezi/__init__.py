"""The HTTP API that iletiMerkezi documents: bulk SMS. Its README lists what is answered and what we chose."""
