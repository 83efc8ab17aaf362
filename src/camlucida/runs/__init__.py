"""Runs that lose nothing: a cohort in, a folder of raw maps and predictions out, that survives a kill at any moment."""

from camlucida.runs.read import Run, find_runs
from camlucida.runs.run import Outcome, execute

__all__ = ["Outcome", "Run", "execute", "find_runs"]
