"""Checks of a user's level, stars and game facts; docs/api/upbot-*.md."""
