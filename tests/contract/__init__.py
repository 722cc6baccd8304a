"""Every documented call as cases that run through both doors: README.md."""
