"""Who may call: apps with their secrets, and the tokens that apps and members hold."""
