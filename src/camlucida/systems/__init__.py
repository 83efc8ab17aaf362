"""One command for each kind of study: from a training system's own folders to everything that is to be known of the model."""
