"""The tables of a benchmark, and what is known of the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass
class Benchmark:
    """All tables of a run.

    Attributes:
        rows: every score of every map, with ``arm``, ``model`` and ``net``.
        meta: the meta-evaluation, a row a metric:
            :func:`~camlucida.workflows.benchmark.meta.verdicts`.
        summary: means of the main arm.
        board: the leaderboard.
        verification: the proof of use, a row a film and label, with ``arm``.
        arms: :func:`~camlucida.workflows.benchmark.tables.arms_table`.
        agreement: Kendall's W across models.
        seconds: of one map, a row a model and method.
        gains: of each method over each baseline, paired.
        gaps: differences of the mean ranks of each two methods, with intervals.
        reference: scores of the methods on models of permuted labels, keyed as the board's columns.
        metrics: (metric, output) that rank.
        same: groups of methods whose maps are identical; the tables hold the first of each.
        about: the record, for ``benchmark.json``.
    """

    rows: pd.DataFrame
    meta: pd.DataFrame
    summary: pd.DataFrame
    board: pd.DataFrame
    verification: pd.DataFrame
    arms: pd.DataFrame
    agreement: pd.DataFrame
    seconds: pd.DataFrame
    gains: pd.DataFrame
    gaps: pd.DataFrame
    reference: dict[str, float | str]
    metrics: list[tuple[str, str]]
    same: list[tuple[str, ...]]
    about: dict[str, Any] = field(default_factory=dict)
