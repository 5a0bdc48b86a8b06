"""The Pixxel API as Pixxel documents it; knows nothing of Singer or STAC."""
