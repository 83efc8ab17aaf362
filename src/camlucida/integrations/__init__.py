"""Bridges to other tools, one file each; their packages are imported where they are used."""
