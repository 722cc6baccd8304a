"""Serves the methods of a service in Python inside Envoy, by means of pyvoy.

Envoy speaks HTTP/2, waits for the whole request of a unary call, limits the calls in progress, and
passes complete calls to Python. docs/adr/0010-server-inside-envoy.md gives the reasons.
"""
