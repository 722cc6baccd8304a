"""The writer of the shared level: users and rules; docs/api/member-level.md."""
