"""Import and export of members: files in NDJSON and CSV, and calls of MemberBulk."""
