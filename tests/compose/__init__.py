"""The suite as containers."""
