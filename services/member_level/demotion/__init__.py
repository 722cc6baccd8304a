"""Demotions: planning, starting, driving, following and scheduling them."""
