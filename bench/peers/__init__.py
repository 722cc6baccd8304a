"""What this suite is compared with: other ways to answer the same check from the same store."""
