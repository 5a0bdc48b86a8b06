"""Client of the Pixxel API; independent of Singer and STAC."""
