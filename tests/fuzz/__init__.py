"""Many wrong inputs against the whole suite, and what must hold meanwhile: README.md."""
