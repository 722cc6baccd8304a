"""The rules of the levels, as they stand: read by every service, changed by member_level."""
