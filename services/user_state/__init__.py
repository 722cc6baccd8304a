"""The state that the three services share: one level for each user, and its transitions."""
