"""Deliveries of catalogs into buckets, and an S3 server to deliver into."""
