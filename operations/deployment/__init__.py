"""What the compose stack needs beside the services: provisioning and rolling replacement."""
