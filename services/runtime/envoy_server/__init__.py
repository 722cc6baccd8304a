"""Serves the methods of a service from inside Envoy, which pyvoy makes a host of Python.

Envoy speaks HTTP/2, waits for the whole request of a unary call, limits what is under way, and
hands complete calls to Python. docs/adr/0010-server-inside-envoy.md says why, with measurements.
"""
