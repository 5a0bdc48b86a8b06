"""Demo: the connector runs against the sandbox with Meltano."""
