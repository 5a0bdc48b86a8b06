"""The catalog: its layout, its collections, the writer of its files, and recovery from a kill."""
