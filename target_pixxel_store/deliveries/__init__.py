"""Deliveries of catalogs to stores: planned, requested, confirmed and monitored."""
