"""Measuring explanations of a model over a set of images.

Tidy rows, and the tables and statistics made of them.
"""
