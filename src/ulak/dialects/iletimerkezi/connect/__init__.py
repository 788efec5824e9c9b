"""An iletiMerkezi account, or another Ulak, called: what the dialect's client side does."""
