"""The kinds of streams: what the streams of one kind have in common."""
