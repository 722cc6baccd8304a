"""How a service runs: settings, server, the way of a call, health, telemetry."""
