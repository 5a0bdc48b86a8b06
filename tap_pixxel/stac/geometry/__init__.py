"""Normalize footprints, bounding boxes and extents in degrees."""
