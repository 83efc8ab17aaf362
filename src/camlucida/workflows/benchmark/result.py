"""What a run of the benchmark measured: the tables that the report is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass
class Benchmark:
    """The tables of a run.

    Attributes:
        rows: of all arms, as of an evaluation, with ``arm``, ``model``, ``net``.
        meta: the metrics put to the test, :data:`~camlucida.workflows.benchmark.meta.META`.
        summary: of the main arm's rows, by :func:`~camlucida.evaluation.maps.summary.summarise`.
        board: :func:`~camlucida.workflows.benchmark.leaderboard.leaderboard`.
        uses: the proof, a row a film and label, with ``arm``.
        arms: :func:`~camlucida.workflows.benchmark.tables.arms_table`.
        agreement: Kendall's W across models.
        seconds: of one map, a row a model and method.
        gains: of each method over each baseline, paired.
        metrics: (metric, output) that rank.
        same: methods that are one and the same.
        about: for the record, JSON.
    """

    rows: pd.DataFrame
    meta: pd.DataFrame
    summary: pd.DataFrame
    board: pd.DataFrame
    uses: pd.DataFrame
    arms: pd.DataFrame
    agreement: pd.DataFrame
    seconds: pd.DataFrame
    gains: pd.DataFrame
    metrics: list[tuple[str, str]]
    same: list[tuple[str, ...]]
    about: dict[str, Any] = field(default_factory=dict)
