"""target-stac: a Singer target that writes a static STAC catalog, ndjson and GeoParquet.

It knows nothing of where the records come from: any stream whose records are STAC Items or
Collections, or carry one, will do.
"""
