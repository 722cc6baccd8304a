"""A shop's levels and rights, and those of its members; see docs/api/shop-member-level.md."""
