"""Explanations evaluated: tables, figures and a page."""
