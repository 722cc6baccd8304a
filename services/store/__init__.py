"""Access to Redis or Valkey: the client with its deadlines, the keys, the layout of the data."""
