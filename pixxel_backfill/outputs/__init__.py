"""What becomes of a shard's records: GeoParquet, or the input of a Singer target."""
