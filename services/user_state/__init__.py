"""The state that the three services share: one level per user, and the transitions of it."""
