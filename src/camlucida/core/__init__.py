"""What every room builds on: errors, registries, geometry, messages, files."""
