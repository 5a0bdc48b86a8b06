"""Orders of imagery: priced, approved, placed once, and within a budget."""
