"""The whole suite on this machine, without containers: `make run`."""
