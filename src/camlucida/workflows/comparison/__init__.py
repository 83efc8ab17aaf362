"""Runs compared: tables, figures and a page."""
