"""Pages made from the records of a run; every number on them comes from those records."""
