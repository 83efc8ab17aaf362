"""Reading a run: tables, queries, and each stored map as an Explanation again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from camlucida.attribution.explanation import Explanation
from camlucida.attribution.targets import TargetSpec
from camlucida.core.errors import CamlucidaError, UsageError, did_you_mean
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message, declare
from camlucida.core.scan import Scan
from camlucida.io import read_image
from camlucida.io.tables import count
from camlucida.models import Card
from camlucida.models.preprocessing import prepare
from camlucida.runs.folder import RunFolder
from camlucida.runs.ledger import Ledger, LedgerEntry
from camlucida.runs.tables import connect

declare(
    "image",
    {
        "gone": "the image is no longer there, or has changed: the map is shown without it",
    },
)

NO_PICTURE = Message("image.gone")
DAMAGED = (
    "go on with the run, camlucida run … --resume: what is missing or damaged is computed again"
)


@dataclass(frozen=True)
class Run:
    """A run as it stands; open it again to see what was computed since.

    Attributes:
        folder: where its files are.
        about: the content of ``run.json``.
        entries: the ledger's items that are in the cohort, in its order.
    """

    folder: RunFolder
    about: Mapping[str, Any]
    entries: tuple[LedgerEntry, ...]

    @staticmethod
    def open(path: str | Path) -> Run:
        """Raises UsageError for a folder that is no run, one that is damaged, or one of a later format."""
        folder = RunFolder(Path(path))
        if not is_run(folder.root):
            near = (
                [str(place) for place in find_runs(Path(path).parent)]
                if Path(path).parent.is_dir()
                else []
            )
            raise UsageError(f"{path} is not the folder of a run", did_you_mean(str(path), near))
        about = folder.read_about()
        with Ledger.read(folder.ledger) as ledger:
            entries = tuple(entry for entry in ledger.entries() if entry.position is not None)
        return Run(folder, about, entries)

    @property
    def counts(self) -> dict[str, int]:
        """State → items."""
        return {
            state: sum(entry.state == state for entry in self.entries)
            for state in ("done", "failed", "pending")
        }

    @property
    def failures(self) -> list[tuple[str, str]]:
        """(image, line) of items that failed and of images that could not be items."""
        failed = [(entry.image, entry.error) for entry in self.entries if entry.state == "failed"]
        return list(
            dict.fromkeys([*((image, line) for image, line in self.about["problems"]), *failed])
        )

    def summary(self) -> dict[str, Any]:
        """For people: what it is, how far it is, what went wrong, where its files are."""
        parts = {entry.part for entry in self.entries if entry.part is not None}
        seeds = ("seed", "fold", "weight")
        return {
            "run": str(self.folder.root.absolute()),
            "cohort": self.about["cohort"],
            "images": self.about["images"],
            "models": [
                f"{model['name']}: {model['card']}, weights {model['sha256'][:12]}"
                + "".join(f", {key} {model[key]}" for key in seeds if model[key] not in (None, 1.0))
                for model in self.about["models"]
            ],
            "asked": [
                f"{model['name']}: targets {_words(model['recipe']['targets'])}; methods {_words(model['recipe']['methods'])}; "
                f"layers {_words(model['recipe']['layers'])}"
                for model in self.about["models"]
            ],
            "items": self.counts,
            "failures": [line for _, line in self.failures],
            "incomplete": [
                f"{entry.image}, {entry.model}: {entry.note}"
                for entry in self.entries
                if entry.note
            ],
            "notes": list(self.about["notes"]),
            "files": {
                "maps, meta, predictions": f"{count([*parts], 'part')} each",
                **{name: str(getattr(self.folder, name)) for name in ("about", "cohort", "ledger")},
            },
        }

    def query(self, sql: str) -> pd.DataFrame:
        """Any DuckDB query over the views ``items``, ``cohort``, ``predictions`` and ``explanations``.

        Raises:
            UsageError: DuckDB refuses it.
        """
        import duckdb

        try:
            db = connect(self.folder, self.entries)
        except duckdb.Error as error:
            raise UsageError(
                f"the tables of {self.folder.root} cannot be read: {error}", DAMAGED
            ) from error
        with db:
            try:
                return db.execute(sql).df()
            except duckdb.Error as error:
                raise UsageError(
                    f"the query failed: {error}", "tables: items, cohort, predictions, explanations"
                ) from error

    def predictions(self) -> pd.DataFrame:
        """One row an image, model and label, in the cohort's order."""
        return self.query("SELECT * FROM predictions ORDER BY position, row")

    @cached_property
    def _explanations(self) -> pd.DataFrame:
        return self.query("SELECT * FROM explanations ORDER BY position, row")

    def explanations(self) -> pd.DataFrame:
        """One row a map, in the cohort's order; the index is what :meth:`explanation` takes."""
        return self._explanations.copy()

    def explanation(self, index: int) -> Explanation:
        """The stored map of row ``index`` of :meth:`explanations`.

        Its scan is read from the image again if the file is there and its hash is the same; else it has no picture, and a
        warning says so.
        """
        (raw,) = self.raw([index])
        row = {str(key): value for key, value in self._explanations.iloc[index].items()}
        provenance = json.loads(self._provenance[row["provenance"]])
        scan = self._scan(row, provenance)
        return Explanation(
            raw=raw,
            score=float(row["score"]),
            probability=None if pd.isna(row["probability"]) else float(row["probability"]),
            target=row["target"],
            method=row["method"],
            layer=row["layer"],
            relu=bool(row["relu"]),
            scan=scan,
            spec=stored_spec(row),
            empty_reason=Message.loads(row["empty_reason"]) if row["empty_reason"] else None,
            provenance=provenance | {"source": scan.source},
        )

    def raw(self, indices: Sequence[int]) -> list[Tensor]:
        """The stored signed maps of these rows of :meth:`explanations`, (*grid) each; no image is read."""
        table = self._explanations
        for index in indices:
            if not 0 <= index < len(table):
                raise UsageError(
                    f"no explanation {index}", f"the run has {len(table)}, counted from 0"
                )
        found: dict[int, Tensor] = {}
        for part, rows in table.iloc[list(indices)].groupby("part", sort=False):
            path = self.folder.part(str(part))["maps"]
            try:
                with safe_open(path, "pt") as file:
                    for index, tensor, slot in zip(rows.index, rows["tensor"], rows["slot"]):
                        found[int(index)] = file.get_slice(tensor)[int(slot)].clone()
            except (SafetensorError, OSError) as error:
                raise UsageError(f"the maps of {path} cannot be read: {error}", DAMAGED) from error
        return [found[index] for index in indices]

    @cached_property
    def _provenance(self) -> dict[str, str]:
        with Ledger.read(self.folder.ledger) as ledger:
            return ledger.provenance()

    def _scan(self, row: Mapping[str, Any], provenance: Mapping[str, Any]) -> Scan:
        """The image again, prepared as it was; or its geometry alone."""
        card = next(
            model["resolved"] for model in self.about["models"] if model["name"] == row["model"]
        )
        geometry = stored_geometry(row)
        try:
            scan = prepare(read_image(row["path"]), Card.model_validate(card).input)
        except CamlucidaError:
            scan = None
        if scan is not None and scan.source["sha256"] == row["image_sha256"]:
            return replace(scan, id=row["image"], geometry=geometry)
        return Scan(
            tensor=torch.zeros(1, *geometry.model),
            display=None,
            geometry=geometry,
            id=row["image"],
            source={"path": row["path"], "sha256": row["image_sha256"]},
            preprocessing=tuple(map(Message.from_json, provenance["preprocessing"])),
            synthetic=bool(row["synthetic"]),
            warnings=(*map(Message.loads, row["warnings"]), NO_PICTURE),
        )


def stored_spec(row: Mapping[Any, Any]) -> TargetSpec:
    """The target of a row of :meth:`Run.explanations`."""
    values = {field.name: row[f"target_{field.name}"] for field in fields(TargetSpec)}
    known = {name: value for name, value in values.items() if not is_missing(value)}
    whole = {name: int(known[name]) for name in ("sign", "component") if name in known}
    return TargetSpec.from_json(known | whole)


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN or ``pd.NA``."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def stored_geometry(row: Mapping[Any, Any]) -> Geometry:
    """Original ↔ model pixels of a row of :meth:`Run.explanations`."""
    original, model = (tuple(map(int, row[name])) for name in ("original", "model_size"))
    return Geometry(
        original, model, tuple(map(float, row["scale"])), tuple(map(float, row["offset"]))
    )


def find_runs(folder: Path) -> list[Path]:
    """The folder itself if it is a run, else the runs among its sub-folders, by name."""
    if not folder.is_dir():
        raise UsageError(f"no folder {folder}", "give the folder that holds the runs")
    if is_run(folder):
        return [folder]
    return [place for place in sorted(folder.iterdir()) if place.is_dir() and is_run(place)]


def is_run(place: Path) -> bool:
    folder = RunFolder(place)
    return folder.exists() and folder.about.is_file()


def _words(names: Sequence[str | int] | None) -> str:
    return "default of the task" if names is None else ", ".join(map(str, names))
