"""Two studies of a patient: what changed, as a folder with a page."""
