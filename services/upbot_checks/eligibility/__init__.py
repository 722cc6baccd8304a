"""Conditions on users, and whether users satisfy them."""
