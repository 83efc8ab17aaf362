"""Whole jobs, from inputs to a folder of results: one package or file a command."""
