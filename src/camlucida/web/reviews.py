"""Verdicts of readers on the cases of a run, and how far the readers agree."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from camlucida.metrics.readers import reader_kappa
from camlucida.web.store import Row, Store, as_json

Verdict = Literal["agrees", "partly", "artefact", "cannot say"]
"""Whether a map shows where the reader sees the finding."""

Finding = Literal["present", "absent", "cannot say"]
"""What a blinded reader says of the film alone."""

VERDICTS = get_args(Verdict)

_SAVE_FINDING = """INSERT OR IGNORE INTO film_findings
    (run, case_id, reader, finding, region, seconds) VALUES (?, ?, ?, ?, ?, ?)"""

_SAVE = """INSERT INTO reviews (run, case_id, reader, verdict, finding, note, region, seconds)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (run, case_id, reader) DO UPDATE SET verdict = excluded.verdict,
    finding = excluded.finding, note = excluded.note, region = excluded.region,
    seconds = excluded.seconds, saved = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"""


class Reviews:
    """The verdicts that are kept.

    Args:
        store: that keeps them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def save_finding(self, run: str, case: int, finding: Mapping[str, Any]) -> None:
        """Keep what a reader says of the film alone; the first one stays.

        Args:
            run: identifier.
            case: number.
            finding: reader, finding, region or mask, and seconds.
        """
        values = [finding["reader"], finding["finding"], _region_json(finding)]
        self._store.write(_SAVE_FINDING, run, case, *values, finding["seconds"])

    def finding(self, run: str, case: int, reader: str) -> dict[str, Any] | None:
        """What a reader said of the film alone; None where nothing was said.

        Args:
            run: identifier.
            case: number.
            reader: name.

        Returns:
            ``finding``, ``seconds``, and ``region`` and ``mask`` as of :meth:`rows`.
        """
        row = self._store.row(
            "SELECT finding, region, seconds FROM film_findings "
            "WHERE run = ? AND case_id = ? AND reader = ?",
            *(run, case, reader),
        )
        return None if row is None else _with_region(row)

    def save(self, run: str, case: int, review: Mapping[str, Any]) -> None:
        """Keep a verdict, with what was said of the film alone; a reader's later one replaces it.

        Args:
            run: identifier.
            case: number.
            review: reader, verdict, note, region or mask, and seconds. What the reader drew on the
                film alone stands in place of a region.
        """
        first = self.finding(run, case, review["reader"])
        finding = None if first is None else first["finding"]
        drawn = _region_json(review if first is None else first)
        values = (review["reader"], review["verdict"], finding, review["note"], drawn)
        self._store.write(_SAVE, run, case, *values, review["seconds"])

    def rows(self, run: str) -> list[dict[str, Any]]:
        """All verdicts on a run, by case and reader.

        Returns:
            Of each the columns of the table, with ``region``, a box, and ``mask``, what was painted
            in its place; None for what was not drawn.
        """
        rows = self._store.rows("SELECT * FROM reviews WHERE run = ? ORDER BY case_id, reader", run)
        return list(map(_with_region, rows))

    def progress(self, run: str, reader: str, cases: Sequence[int], seed: int) -> dict[str, Any]:
        """How far a reader is, and the next case in the random order of a seed.

        Args:
            run: identifier.
            reader: name.
            cases: numbers of all cases.
            seed: of the order.
        """
        done = {row["case_id"] for row in self.rows(run) if row["reader"] == reader}
        order = np.random.default_rng(seed).permutation(np.asarray(cases, int)).tolist()
        left = [case for case in order if case not in done]
        return {"total": len(cases), "done": len(cases) - len(left), "next": next(iter(left), None)}

    def agreement(self, run: str, patients: Mapping[int, str]) -> dict[str, Any]:
        """Verdicts of each reader, and kappa of each pair on the cases that both judged.

        Args:
            run: identifier.
            patients: of each case.
        """
        by_reader: dict[str, dict[int, str]] = {}
        for row in self.rows(run):
            by_reader.setdefault(row["reader"], {})[row["case_id"]] = row["verdict"]
        pairs = []
        for first, second in combinations(sorted(by_reader), 2):
            shared = sorted(by_reader[first].keys() & by_reader[second].keys())
            one = [by_reader[first][case] for case in shared]
            other = [by_reader[second][case] for case in shared]
            kappa = reader_kappa(one, other, [patients.get(case) or case for case in shared])
            pairs.append({"readers": [first, second], "cases": len(shared), **_plain(kappa)})
        counts = {name: _counts(list(of.values())) for name, of in sorted(by_reader.items())}
        return {"readers": counts, "pairs": pairs}

    def table(self, run: str) -> pd.DataFrame:
        """All verdicts on a run as a table."""
        return pd.DataFrame(self.rows(run)).astype({"region": str}) if self.rows(run) else _EMPTY


_EMPTY = pd.DataFrame(columns=["run", "case_id", "reader", "verdict", "finding", "note"])


def _region_json(drawn: Mapping[str, Any]) -> str | None:
    """The box or the mask as it is stored; None where neither was drawn."""
    region = drawn["mask"] if drawn["region"] is None else drawn["region"]
    return None if region is None else as_json(region)


def _with_region(row: Row) -> dict[str, Any]:
    """A stored row, with the box and the mask apart."""
    drawn = None if row["region"] is None else json.loads(row["region"])
    is_painted = isinstance(drawn, str)
    return row | {"region": None if is_painted else drawn, "mask": drawn if is_painted else None}


def _counts(verdicts: Sequence[str]) -> dict[str, int]:
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def _plain(kappa: Any) -> dict[str, float | None]:
    values = {"kappa": kappa.estimate, "low": kappa.low, "high": kappa.high}
    return {name: value if np.isfinite(value) else None for name, value in values.items()}
