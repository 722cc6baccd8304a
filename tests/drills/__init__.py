"""What is broken on purpose, and what callers see of it."""
