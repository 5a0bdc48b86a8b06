"""Convert the assets of an item: media types, bands, wavelengths and delivered objects."""
