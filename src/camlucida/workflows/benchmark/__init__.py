"""``camlucida benchmark``: methods and metrics on films whose evidence is known."""
