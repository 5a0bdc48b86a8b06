"""Areas of interest: the records that request them, and their creation."""
