"""The downloadable files behind signed URLs, served as S3 serves objects."""
