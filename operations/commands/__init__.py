"""The commands of operators: apps, members, archive and demo data."""
