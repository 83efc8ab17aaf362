"""A page for each model of a run: what was measured of it and its maps, and what was not."""
