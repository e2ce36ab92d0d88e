"""Four documented HTTP APIs, one folder each. They do not know each other."""
