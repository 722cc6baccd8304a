"""How a service runs: settings, transports, the request pipeline, health and telemetry."""

import os

# grpcio's C code writes to standard error and bypasses our log; what it writes contains headers
# that callers sent. It reads this variable when it is imported, which is after this package.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
