"""What the compose stack needs in addition to the services: provisioning and rolling restarts."""
