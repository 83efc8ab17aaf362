"""A reader study: which reader sees which case in which arm, and what the readers said.

In each session a reader reads every case once: in an order of the reader's own, with a third of the
cases in each arm, diseased and healthy ones alike. In the next session, after the washout, every
case has another arm. The seed fixes all of it, so that nothing but the readings is kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.metrics import METRICS
from camlucida.metrics.reader_study import ArmFigure, Readings, compare_arms
from camlucida.web.cases import RunCases
from camlucida.web.settings import StudyPlan
from camlucida.web.store import Store, as_json

Arm = Literal["film", "film and map", "film, map and numbers"]
"""What a reader sees."""

ARMS: tuple[Arm, ...] = get_args(Arm)

ONE_MAP = ("image", "model", "label", "method", "layer")
"""Columns that tell a case of the run from every other."""

OF_TRUTH = ("mask", "two masks", "two masks and an average", "boxes", "all boxes")
"""Inputs of metrics that compare a map with the ground truth, which no reader may see."""

_SAVE = """INSERT OR IGNORE INTO readings
    (study, reader, session, case_id, arm, position, rating, seconds, note)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""


@dataclass(frozen=True)
class Task:
    """A case that a reader is to read.

    Attributes:
        session: from 1.
        position: in the session, from 1.
        case: number in the run.
        arm: what is shown.
    """

    session: int
    position: int
    case: int
    arm: Arm


@dataclass(frozen=True)
class Study:
    """A reader study of the cases of a run.

    Attributes:
        plan: of the study.
        of_run: the cases of its run.
        store: that keeps the readings.
    """

    plan: StudyPlan
    of_run: RunCases = field(repr=False)
    store: Store = field(repr=False)

    @cached_property
    def cases(self) -> pd.DataFrame:
        """The cases, one a film and finding.

        Raises:
            UsageError: there is none, a film has several maps of a finding, or the finding is none
                that is there or not.
        """
        cases = self.of_run.matching(self.plan.where)
        if cases.empty:
            raise UsageError("no case of the run meets the conditions", "leave out a --where")
        twice = cases[cases.duplicated(["image", "label"], keep=False)]
        if len(twice):
            _refuse_several_maps(twice)
        truth = pd.to_numeric(cases["truth"], errors="coerce")
        if cases["label"].isna().any() or not truth.dropna().isin((0, 1)).all():
            raise UsageError(
                "the run has a target that is no finding, such as the value of a regression",
                "a reader study asks whether a finding is there: give a run of a classifier",
            )
        return cases.assign(truth=truth)

    @cached_property
    def id(self) -> str:
        """Another plan has another, so that its readings are kept apart."""
        plan = [self.plan.seed, self.plan.sessions, self.cases[list(ONE_MAP)].values.tolist()]
        return hashlib.sha256(as_json(plan).encode()).hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """The plan, and the number of its cases."""
        truth = self.cases["truth"]
        return {
            "id": self.id,
            "run": self.plan.run,
            "where": list(self.plan.where),
            "cases": len(truth),
            "diseased": int((truth == 1).sum()),
            "healthy": int((truth == 0).sum()),
            "arms": list(ARMS),
            "sessions": self.plan.sessions,
            "washout": self.plan.washout,
            "seed": self.plan.seed,
        }

    def tasks(self, reader: str, session: int) -> list[Task]:
        """What a reader reads in a session, in order.

        Args:
            reader: name or number.
            session: from 1.
        """
        numbers = self.cases["case_id"].to_numpy()
        # Arms go round within the diseased and within the healthy cases.
        mixed = self._random(reader, 0).permutation(len(numbers))
        truth = self.cases["truth"].to_numpy(np.float64)[mixed]
        by_truth = mixed[np.argsort(truth, kind="stable")]
        arm_of = {case: i + session - 1 for i, case in enumerate(numbers[by_truth].tolist())}
        order = self._random(reader, session).permutation(numbers).tolist()
        return [
            Task(session, position, case, ARMS[arm_of[case] % len(ARMS)])
            for position, case in enumerate(order, 1)
        ]

    def _random(self, reader: str, stream: int) -> np.random.Generator:
        of_reader = int.from_bytes(hashlib.sha256(reader.encode()).digest()[:8], "big")
        return np.random.default_rng([self.plan.seed, of_reader, stream])

    def progress(self, reader: str, now: datetime | None = None) -> dict[str, Any]:
        """How far a reader is, and the next task.

        Args:
            reader: name or number.
            now: the time; that of the clock if None.

        Returns:
            ``session``, ``sessions``, ``done`` and ``total`` of the session; ``task``, None where
            there is none now; and ``opens``, when the next session does, None where none waits.
        """
        total = len(self.cases)
        about: dict[str, Any] = {"sessions": self.plan.sessions, "total": total, "opens": None}
        for session in range(1, self.plan.sessions + 1):
            done = self._done(reader, session)
            about |= {"session": session, "done": len(done)}
            if len(done) == total:
                continue
            opens = self._opening(reader, session)
            if opens is not None and opens > (now or datetime.now(UTC)):
                return about | {"task": None, "opens": opens.isoformat(timespec="minutes")}
            left = (task for task in self.tasks(reader, session) if task.case not in done)
            return about | {"task": next(left)}
        return about | {"task": None}

    def save(self, reader: str, case: int, rating: int, seconds: float, note: str) -> None:
        """Keep a reading of the task that the reader is at.

        Args:
            reader: name or number.
            case: number in the run.
            rating: 1 to 6.
            seconds: from the film to the rating.
            note: free text.

        Raises:
            UsageError: this is not the case that the reader is at. A reading is final.
        """
        task = self.progress(reader)["task"]
        if task is None or task.case != case:
            raise UsageError(
                f"case {case} is not the one that {reader} is at", "a reading is final; go on"
            )
        reading = (task.session, task.case, task.arm, task.position, rating, seconds, note)
        self.store.write(_SAVE, self.id, reader, *reading)

    def numbers(self, case: int) -> dict[str, Any]:
        """What the model says of a case, and what was measured of its map without the truth.

        Args:
            case: number in the run.
        """
        row = self.of_run.case(case)
        measured = [each for each in row["trust"] if not each["missing"]]
        trust = [each for each in measured if _without_truth(str(each["metric"]))]
        return {"probability": row["probability"], "score": row["score"], "trust": trust}

    def table(self) -> pd.DataFrame:
        """The readings, one a row, with the truth."""
        rows = self.store.rows(
            "SELECT reader, session, position, case_id, arm, rating, seconds, note, saved "
            "FROM readings WHERE study = ? ORDER BY reader, session, position",
            self.id,
        )
        readings = pd.DataFrame(rows, columns=_COLUMNS)
        about = self.cases[["case_id", *ONE_MAP, "patient", "truth", "probability"]]
        return readings.merge(about, on="case_id", how="left")

    def results(self) -> list[ArmFigure]:
        """The arms of all readers, compared."""
        table = self.table()
        if table.empty:
            return []
        patients = table["patient"].where(table["patient"].fillna("") != "", table["image"])
        readings = Readings(
            table["reader"].tolist(),
            patients.tolist(),
            table["arm"].tolist(),
            table["truth"].to_numpy(np.float64),
            table["rating"].to_numpy(np.float64),
            table["seconds"].to_numpy(np.float64),
        )
        return compare_arms(readings, ARMS)

    def _done(self, reader: str, session: int) -> set[int]:
        sql = "SELECT case_id FROM readings WHERE study = ? AND reader = ? AND session = ?"
        return {row["case_id"] for row in self.store.rows(sql, self.id, reader, session)}

    def _opening(self, reader: str, session: int) -> datetime | None:
        """When a session opens; None for the first."""
        sql = (
            "SELECT max(saved) AS last FROM readings WHERE study = ? AND reader = ? AND session = ?"
        )
        row = self.store.row(sql, self.id, reader, session - 1)
        if row is None or row["last"] is None:
            return None
        return datetime.fromisoformat(row["last"]) + timedelta(days=self.plan.washout)


_COLUMNS = [
    *("reader", "session", "position", "case_id", "arm", "rating", "seconds", "note", "saved"),
]


def _without_truth(name: str) -> bool:
    metric = name.partition(":")[0]
    return metric not in METRICS or METRICS[metric].inputs not in OF_TRUTH


def _refuse_several_maps(cases: pd.DataFrame) -> None:
    """A reader sees one map of a finding."""
    for column in ("model", "method", "layer"):
        values = sorted(set(cases[column].astype(str)))
        if len(values) > 1:
            raise UsageError(
                f"the films have maps of {len(values)} values of {column}: {', '.join(values[:4])}",
                f"choose one: --where {column}={values[0]}",
            )
    raise UsageError("a film has several maps of one label", "choose one with --where")
