"""SMPP 3.4, a dialect whose doors are sockets."""
