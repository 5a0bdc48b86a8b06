"""Backfills of the archive in shards, on local processes or Dask, whose results are merged."""
