"""Writes the shared level: members and rules; see docs/api/member-level.md."""
