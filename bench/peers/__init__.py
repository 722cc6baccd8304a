"""Other implementations of the same check on the same store, for comparison."""
