"""A shop's levels and rights, and the member's own; docs/api/shop-member-level.md."""
