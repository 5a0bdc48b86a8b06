"""Stores: their creation, replacement and deletion."""
