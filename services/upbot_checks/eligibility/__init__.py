"""Eligibility: conditions on users, their evaluation and their explanation."""
