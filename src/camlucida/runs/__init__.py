"""Runs: a cohort in; a folder of raw maps and predictions out, which survives a kill."""

from camlucida.runs.read import Run, find_runs
from camlucida.runs.run import RunOutcome, execute

__all__ = ["Run", "RunOutcome", "execute", "find_runs"]
