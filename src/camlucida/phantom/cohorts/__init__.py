"""Bundled SYNTHETIC cohorts: folders as the source systems have them, and what is true of each film."""
