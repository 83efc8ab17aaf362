"""Compare the runs of folders: read their maps, compare them, write the folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camlucida.analysis.cases.attribution_table import attribution_table
from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.comparison import Comparison, compare
from camlucida.analysis.comparison.series import find_groups
from camlucida.figures.notice import stamped
from camlucida.runs import Run
from camlucida.runs.mismatch import any_mismatch
from camlucida.workflows.comparison.folder import write_comparison

Progress = Callable[..., object]


@dataclass(frozen=True)
class ComparisonResult:
    """What came of a comparison.

    Attributes:
        comparison: its tables.
        written: files.
        failures: a line for each mask or table of boxes that cannot be read.
    """

    comparison: Comparison
    written: list[Path]
    failures: list[str]


def compare_runs(
    runs: Sequence[Run],
    by: str,
    out: Path,
    about: Mapping[str, Any],
    reading: Progress | None = None,
    comparing: Progress | None = None,
) -> ComparisonResult:
    """Compare runs and write the folder; no model is run.

    Args:
        runs: one or more.
        by: what varies, one of :data:`~camlucida.analysis.comparison.series.BY`.
        out: the folder.
        about: the command and the versions.
        reading, comparing: called with the number of maps, then of pairs of map series, that were
            done since the last call, and once with their ``total``.

    Raises:
        UsageError: nothing varies in ``by`` alone.
    """
    cases = case_table(runs)
    find_groups(runs, cases, by)  # a request that fits nothing must not wait for the maps
    heat = attribution_table(runs, cases, reading)
    comparison = compare(runs, cases, heat, by, progress=comparing)
    with stamped(any_mismatch(runs)):
        written = write_comparison(out, comparison, runs, about)
    problems = dict.fromkeys([*cases.attrs["problems"], *heat.attrs["problems"]])
    return ComparisonResult(comparison, written, list(problems))
