"""Measurements: what the suite costs, and how many writes a killed store loses."""
