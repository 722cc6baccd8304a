"""Typed stubs of the levelgate services, and `levelgate.client`, which opens a channel to them."""
