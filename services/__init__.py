"""The three services and the packages that they share: docs/design.md."""
