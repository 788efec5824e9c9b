"""Ulak, a self-hosted order and delivery server."""

__version__ = "0.1.0"
