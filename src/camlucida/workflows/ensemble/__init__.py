"""Several classifiers on the same films: from their configuration to a folder a film."""
