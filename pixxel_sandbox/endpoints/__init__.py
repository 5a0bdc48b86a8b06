"""The endpoints of the API, a module for each group of paths."""
