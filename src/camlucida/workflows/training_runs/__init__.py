"""Training runs into an article's assets: class grids, a table of seeds, their consistency, a LaTeX section."""

from camlucida.workflows.training_runs.job import PackResult, PackSettings, pack_runs

__all__ = ["PackResult", "PackSettings", "pack_runs"]
