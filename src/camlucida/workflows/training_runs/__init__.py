"""Training runs into an article's assets: figures, tables, consistency, a LaTeX section."""

from camlucida.workflows.training_runs.explain import ExplainOptions
from camlucida.workflows.training_runs.job import PackResult, PackSettings, pack_runs

__all__ = ["ExplainOptions", "PackResult", "PackSettings", "pack_runs"]
