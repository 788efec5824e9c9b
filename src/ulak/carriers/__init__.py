"""Carriers that speak no wire of ours."""
