"""Every documented call, as cases that run by JSON and by gRPC: README.md."""
