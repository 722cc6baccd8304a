"""The three services and what they share; docs/architecture is told in README.md."""
