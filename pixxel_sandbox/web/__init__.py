"""What the endpoints share: request parsing, filters, paging, responses, errors and faults."""
