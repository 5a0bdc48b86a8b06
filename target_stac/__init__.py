"""target-stac: a Singer target that writes a static STAC catalog, ndjson and GeoParquet.

It works with any tap: it exports the records that are STAC Items or Collections or have one in a
column, and ignores the records of other streams.
"""
