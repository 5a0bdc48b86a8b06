"""The result of all shards: one dataset, and the state from which the next sync continues."""
