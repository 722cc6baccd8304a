"""What the three services share: one level per user, and the transitions that change it."""
