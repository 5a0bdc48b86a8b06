"""Downloads to a folder or a URL: prepared by the API, transferred and stored."""
