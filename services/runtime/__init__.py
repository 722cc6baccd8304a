"""How a service runs: settings, server, the way of a call, health, telemetry."""

import os

# What grpcio's C code writes to standard error, beside every log of ours, names headers that
# callers made up. It reads this when it is imported, which is after this package.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
