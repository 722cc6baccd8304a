"""The gateway: the configuration of Envoy, its Lua filter, and the command that runs both."""
