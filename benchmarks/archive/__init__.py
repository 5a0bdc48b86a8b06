"""Compare tap-pixxel with other programs on an archive of 5,000 items."""
