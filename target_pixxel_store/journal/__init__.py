"""The journal on disk, and the state that its lines describe."""
