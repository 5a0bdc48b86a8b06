"""The requests to the API and what its responses mean to the target."""
