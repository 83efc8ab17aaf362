"""Figures and files of maps of volumes."""
