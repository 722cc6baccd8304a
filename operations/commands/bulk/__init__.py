"""Members in files: NDJSON and CSV, in and out."""
