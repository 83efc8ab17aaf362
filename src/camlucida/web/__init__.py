"""The workbench: a server on this machine, its documented API, and its pages."""
