"""Engines that run the shards of a backfill: local processes, or a Dask cluster."""
