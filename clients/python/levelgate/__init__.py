"""Typed stubs of the levelgate services, and `levelgate.client`, which opens a channel to them."""

__version__ = "0.1.0"
