"""The cases of a run: one row a stored map, with its prediction, its outcome and its measurements.

The rows are held in memory as a DuckDB table, so that a page of 10,000 cases is filtered and sorted
at once.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from camlucida.analysis.cases.annotations import Annotations
from camlucida.analysis.cases.attribution_table import case_annotations
from camlucida.analysis.cases.case_table import case_table
from camlucida.attribution.explanation import Explanation
from camlucida.io.image import RawImage
from camlucida.io.volumes import Volume
from camlucida.phantom import is_packaged
from camlucida.report.evaluations import sanity_gate, stored_evaluations
from camlucida.runs import Run
from camlucida.runs.mismatch import any_mismatch
from camlucida.runs.stored_scan import stored_geometry
from camlucida.web.columns import METRIC, column
from camlucida.web.comparisons import compared_cases, comparisons_in
from camlucida.web.conditions import checked_column, order_clause, where_clause
from camlucida.web.errors import NotFoundError
from camlucida.web.ground_truth import ground_truth
from camlucida.web.inputs import case_scan
from camlucida.web.plain import plain_row
from camlucida.web.settings import FilmEntry
from camlucida.web.trust import Line, trust_lines

SHOWN = (
    *("image", "patient", "split", "model", "target", "label", "method", "layer"),
    *("score", "probability", "value", "truth", "predicted", "true_class", "outcome"),
    *("error", "loss", "empty_reason", "synthetic"),
)
"""Columns of the case table that the pages have; the groups of the cohort follow."""

JOINED = ("image", "model", "label", "method", "layer")
COMPARISON = "comparison"
"""Folder in that of a run in which comparisons are looked for."""

DEEPEST = 2
"""Folders below it."""

MOST = 500
"""Rows of one page."""

MOST_POINTS = 20_000
"""Points of a plot."""


@dataclass(frozen=True)
class CasePage:
    """Some rows of the cases, in order.

    Attributes:
        rows: as plain data.
        total: rows that meet the conditions.
        next: where the next page begins; None at the end.
    """

    rows: list[dict[str, Any]]
    total: int
    next: int | None


@dataclass
class RunCases:
    """A run, opened when it is first needed.

    Attributes:
        id: by which requests name it.
        path: of its folder.
        comparisons: folders of comparisons that may be of it, beside those in its folder.
    """

    id: str
    path: Path
    comparisons: tuple[Path, ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @cached_property
    def run(self) -> Run:
        """The run."""
        return Run.open(self.path)

    @cached_property
    def _evaluated(self) -> tuple[pd.DataFrame, list[dict[Any, Any]]]:
        """Scores of the maps, with the model's name; and verdicts of the sanity check."""
        rows, gates = [], []
        for _, model, evaluated in stored_evaluations(self.run):
            scores = evaluated.tables.rows
            rows.append(scores[~scores["baseline"].astype(bool)].assign(model=model))
            gate = sanity_gate(evaluated.sanity)
            if gate is not None:
                gates += gate.assign(model=model).to_dict("records")
        return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(), gates

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a map; the index is its number."""
        cases = case_table([self.run])
        groups = [name for name in cases.columns if name.startswith("group_")]
        table = cases[[*SHOWN, *groups]].copy()
        table.insert(0, "case_id", range(len(table)))
        inside = comparisons_in(self.path / COMPARISON, DEEPEST)
        for compared in compared_cases(self.run, [*inside, *self.comparisons]):
            fresh = compared.table.columns.difference(table.columns, sort=False)
            table = table.join(compared.table[fresh], on="case_id")
        scores, _ = self._evaluated
        if scores.empty:
            return table
        named = METRIC + scores["metric"].astype(str)
        # Of a metric of several outputs the one that is explained stands first.
        first = scores.assign(column=named).drop_duplicates([*JOINED, "column"])
        wide = first.pivot(index=list(JOINED), columns="column", values="value").reset_index()
        return table.merge(wide, on=list(JOINED), how="left")

    @cached_property
    def _db(self) -> duckdb.DuckDBPyConnection:
        db = duckdb.connect()
        db.register("frame", self.table)
        db.execute("CREATE TABLE cases AS SELECT * FROM frame")
        return db

    @cached_property
    def _columns(self) -> list[dict[str, Any]]:
        """The columns of the cases: of 100,000 they take a second to look through."""
        table = self.table
        known = [name for name in table.columns if table[name].notna().any()]
        return [column(name, table[name]) for name in known if name != "case_id"]

    def describe(self) -> dict[str, Any]:
        """What the run is, and the columns of its cases with their values or ranges."""
        with self._lock:
            table = self.table
            columns = self._columns
        summary = self.run.summary()
        return {
            "id": self.id,
            "name": self.path.name,
            "cases": len(table),
            "images": summary["images"],
            "models": [model["name"] for model in summary["models"]],
            "items": summary["items"],
            "mismatch": self.mismatch,
            "columns": columns,
        }

    @property
    def is_of_volumes(self) -> bool:
        """Whether a model of the run is one of volumes."""
        cards = [model["resolved"] for model in self.run.about["models"]]
        return any(card.get("volume") is not None for card in cards)

    def is_volume(self, number: int) -> bool:
        """Whether a case is a volume.

        Raises:
            NotFoundError: there is no such case.
        """
        return self.run.card(str(self._row(number)["model"])).volume is not None

    @property
    def mismatch(self) -> bool:
        """Whether a model of the run is not that of the predictions which its training stored."""
        return any_mismatch([self.run])

    def saw_synthetic_images(self, model: str) -> bool:
        """Whether a model of the run is a packaged one, trained on synthetic images alone.

        Args:
            model: its name.
        """
        models = [each for each in self.run.about["models"] if each["name"] == model]
        return any(map(_is_packaged, models))

    def page(
        self,
        conditions: Sequence[str] = (),
        sort: str = "case_id",
        descending: bool = False,
        start: int = 0,
        count: int = 60,
    ) -> CasePage:
        """Rows of the cases.

        Args:
            conditions: each ``COLUMN SIGN VALUE``, without blanks; signs are = != < <= > >= and ~
                (holds the text).
            sort: column; rows without a value come last.
            descending: whether the largest come first.
            start: rows that are passed over.
            count: of rows, at most :data:`MOST`.

        Raises:
            UsageError: there is no such column, or a condition is none.
        """
        with self._lock:
            known = list(self.table.columns)
            where, values = where_clause(conditions, known)
            db = self._db
            (total,) = db.execute(f"SELECT count(*) FROM cases {where}", values).fetchone() or (0,)
            by = order_clause(sort, descending, known)
            sql = f"SELECT * FROM cases {where} ORDER BY {by} LIMIT ? OFFSET ?"
            table = db.execute(sql, [*values, min(count, MOST), start]).df()
        rows = [plain_row(row) for row in table.to_dict("records")]
        end = start + len(rows)
        return CasePage(rows, int(total), end if end < total else None)

    def points(self, x: str, y: str | None, conditions: Sequence[str] = ()) -> dict[str, Any]:
        """Values of one column with numbers, or of two, of the cases that have them.

        Args:
            x, y: columns.
            conditions: as of :meth:`page`.

        Returns:
            ``x``; ``y``, None without a second column; and ``total``, of which every n-th is given
            where there are more than :data:`MOST_POINTS`.

        Raises:
            UsageError: there is no such column, or a condition is none.
        """
        with self._lock:
            known = list(self.table.columns)
            columns = [checked_column(name, known) for name in (x, y) if name is not None]
            where, values = where_clause(conditions, known)
            numbers = ", ".join(
                f'TRY_CAST("{name}" AS DOUBLE) AS c{i}' for i, name in enumerate(columns)
            )
            rows = self._db.execute(f"SELECT {numbers} FROM cases {where}", values).fetchnumpy()
        arrays = np.stack([np.ma.filled(rows[f"c{i}"], np.nan) for i in range(len(columns))])
        finite = arrays[:, np.isfinite(arrays).all(0)]
        total = finite.shape[1]
        given = finite[:, :: max(1, -(-total // MOST_POINTS))].tolist()
        return {"x": given[0], "y": given[1] if y is not None else None, "total": total}

    def numbers(self, conditions: Sequence[str], sort: str, descending: bool) -> list[int]:
        """Numbers of the cases that meet every condition, in order.

        Args:
            conditions, sort, descending: as of :meth:`page`.

        Raises:
            UsageError: there is no such column, or a condition is none.
        """
        with self._lock:
            known = list(self.table.columns)
            where, values = where_clause(conditions, known)
            by = order_clause(sort, descending, known)
            sql = f"SELECT case_id FROM cases {where} ORDER BY {by}"
            return [int(row[0]) for row in self._db.execute(sql, values).fetchall()]

    def matching(self, conditions: Sequence[str] = ()) -> pd.DataFrame:
        """All rows that meet the conditions, in the order of the run.

        Args:
            conditions: as of :meth:`page`.

        Raises:
            UsageError: there is no such column, or a condition is none.
        """
        with self._lock:
            where, values = where_clause(conditions, list(self.table.columns))
            sql = f"SELECT case_id FROM cases {where}"
            numbers = self._db.execute(sql, values).df()["case_id"]
            return self.table[self.table["case_id"].isin(numbers)]

    def case(self, number: int) -> dict[str, Any]:
        """One row, with the measurements of its map.

        Raises:
            NotFoundError: there is none.
        """
        with self._lock:
            table = self.table
            if not 0 <= number < len(table):
                raise NotFoundError(f"no case {number}", f"the run has {len(table)}, from 0")
            row = plain_row(table.iloc[number].to_dict())
            return row | {"trust": self._trust(row)}

    def film_of(self, number: int) -> FilmEntry:
        """The film of a case.

        Raises:
            NotFoundError: there is no such case.
        """
        row = self._row(number)
        return FilmEntry(str(row["image"]), Path(str(row["path"])))

    def explanations(self, number: int, image: RawImage | Volume) -> list[Explanation]:
        """The stored maps of a case's film by its model; that of the case first.

        Args:
            number: of the case.
            image: the film or volume.

        Raises:
            NotFoundError: there is no such case.
            ImageError: the film is no longer that of the run.
        """
        row = self._row(number)
        maps = self.run.explanations()
        of_film = maps[(maps["image"] == row["image"]) & (maps["model"] == row["model"])]
        others = [int(index) for index in of_film.index if index != number]
        scan = case_scan(row, self.run.card(str(row["model"])), image)
        return self.run.explanations_of([number, *others], scan)

    @cached_property
    def _annotations(self) -> dict[tuple[int, str], Annotations]:
        """The annotations of each model; what cannot be read is none."""
        return case_annotations([self.run], pd.DataFrame({"run": [0]}), [])

    def ground_truth(self, number: int, explanation: Explanation) -> dict[str, Any]:
        """What was annotated of the label of a case, for the viewer.

        Args:
            number: of the case.
            explanation: of the case, with its film or volume.

        Raises:
            NotFoundError: there is no such case.
        """
        row = self._row(number)
        with self._lock:
            annotations = self._annotations[0, str(row["model"])]
            label = str(self.table.iloc[number]["label"])
            return ground_truth(annotations, row, label, explanation.scan)

    def _row(self, number: int) -> Mapping[Any, Any]:
        maps = self.run.explanations()
        if not 0 <= number < len(maps):
            raise NotFoundError(f"no case {number}", f"the run has {len(maps)}, from 0")
        return maps.iloc[number].to_dict()

    def _trust(self, row: Mapping[str, Any]) -> list[Line]:
        """Each measurement of a map, with what it means."""
        scores, gates = self._evaluated
        evaluated = not scores.empty or bool(gates)
        if scores.empty:
            scores = pd.DataFrame(columns=["metric"])
        else:
            evaluated = bool((scores["model"] == row["model"]).any())
            scores = scores[np.logical_and.reduce([scores[name] == row[name] for name in JOINED])]
        stored = self._row(int(row["case_id"]))
        grid = tuple(map(int, stored["grid"]))
        cell = stored_geometry(stored).cell(grid)
        return list(trust_lines(row, scores, gates, evaluated, (grid, cell)))


def _is_packaged(model: Mapping[str, Any]) -> bool:
    """Whether a model of a run has the weights of a packaged one; not if its file is gone."""
    checkpoint = model["checkpoint"] or model["resolved"]["checkpoint"]
    if not checkpoint:
        return False
    path = Path(model["card"]).parent / checkpoint
    return path.is_file() and is_packaged(path)


def open_runs(
    folders: Mapping[str, Path], comparisons: tuple[Path, ...] = ()
) -> dict[str, RunCases]:
    """Runs by identifier; each is read when it is first needed.

    Args:
        folders: identifier → folder.
        comparisons: folders of comparisons that may be of any of them.
    """
    return {id: RunCases(id, folder, comparisons) for id, folder in folders.items()}
