"""Checks of a user's level, stars and game facts; see docs/api/upbot-*.md."""
