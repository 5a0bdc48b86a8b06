"""Downloads: catalogs as files in a folder, or at a URL, for those who have no bucket."""
