"""The rules of the levels: read by every service, changed by member_level."""
