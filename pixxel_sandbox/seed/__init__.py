"""Generators of the seeded rows of a workspace."""
