"""What costs money or tokens: priced, approved, placed once, and within a budget."""
