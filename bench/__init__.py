"""What the suite costs and what it survives, measured by commands."""
