"""The gateway: one Envoy configuration, its Lua filter, and the command that runs them."""
