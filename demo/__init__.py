"""The demonstration: tap to warehouse with Meltano, against the sandbox."""
