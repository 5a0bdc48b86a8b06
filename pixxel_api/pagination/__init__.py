"""Pagination of the API's lists: paging styles, concurrent page reads, and complete scans."""
