"""The three services, and the rooms that they share; README.md tells the way of a request."""
