"""Apps with their secrets and scopes, and the tokens of apps and members."""
