"""Several classifiers on the same images: their weighted mean map and where they disagree."""
