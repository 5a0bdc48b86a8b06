"""The catalog: its layout, its collections, and the writer of its files."""
