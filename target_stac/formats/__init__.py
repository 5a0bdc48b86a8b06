"""The export's formats beside the catalog: ndjson, GeoParquet, ItemCollection and the preview."""
