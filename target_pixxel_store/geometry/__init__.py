"""Geometry: polygons of records and of the API, compared and measured."""
