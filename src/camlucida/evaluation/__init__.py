"""Measuring explanations of a model over a set of images: tidy rows, and the tables and statistics made of them."""
