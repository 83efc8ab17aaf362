"""Training runs into an article's assets: class grids, a table of seeds, their consistency, a LaTeX section."""

from camlucida.workflows.training_runs.job import Packing, Settings, pack_runs

__all__ = ["Packing", "Settings", "pack_runs"]
