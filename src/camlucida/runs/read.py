"""Reading a run: tables, queries, and each stored map as an Explanation again."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError, safe_open
from torch import Tensor

from camlucida.attribution.explanation import Explanation
from camlucida.attribution.targets import TargetSpec
from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.failures import Failure
from camlucida.core.messages import Message
from camlucida.core.scan import Scan
from camlucida.io.keyed_files import image_source
from camlucida.models import Card
from camlucida.models.detectors import Detection
from camlucida.runs.folder import RunFolder
from camlucida.runs.identity import file_sha256
from camlucida.runs.items import LedgerEntry, count_states, item_notes
from camlucida.runs.keyed import is_keyed
from camlucida.runs.parts import part_name
from camlucida.runs.restore import read_ledger
from camlucida.runs.storage import ABOUT, local_run, run_root, runs_below, store_of
from camlucida.runs.stored_scan import stored_geometry, stored_scan
from camlucida.runs.tables import connect

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
        restored: a note where the ledger was lost and is restored from the parts.
    """

    folder: RunFolder
    about: Mapping[str, Any]
    entries: tuple[LedgerEntry, ...]
    restored: tuple[Message, ...] = ()
    _whole: set[Path] = field(default_factory=set, init=False, repr=False, compare=False)

    @staticmethod
    def open(path: str | Path) -> Run:
        """Open the run in a folder, or at an address, from which it is fetched.

        Raises:
            UsageError: a folder that is no run, one that is damaged, or one of another format.
        """
        folder = RunFolder(local_run(path))
        if not is_run(folder.root):
            parent = folder.root.parent
            runs = find_runs(parent) if parent.is_dir() else []
            fix = did_you_mean(str(path), map(str, runs))
            raise UsageError(f"{path} is not the folder of a run", fix)
        about = folder.read_about()
        ledger, notes = read_ledger(folder)
        with ledger:
            entries = tuple(entry for entry in ledger.entries() if entry.position is not None)
        return Run(folder, about, entries, tuple(notes))

    @property
    def counts(self) -> dict[str, int]:
        """State → items."""
        return count_states(self.entries)

    @property
    def failures(self) -> list[Failure]:
        """Items that failed, and images that could not be items; each once."""
        problems = [Failure(**problem) for problem in self.about["problems"]]
        failed = [entry.failure for entry in self.entries if entry.failure is not None]
        return list(dict.fromkeys([*problems, *failed]))

    def check_done(self) -> None:
        """Refuse a run in which nothing is done: UsageError, with the reason of what failed."""
        if self.counts["done"]:
            return
        failed = [entry.failure for entry in self.entries if entry.failure is not None]
        what = f"nothing is done in {self.folder.root}"
        if failed:
            raise UsageError(f"{what}: {failed[0].what}", failed[0].fix)
        raise UsageError(f"{what} yet", "finish it with: camlucida run COHORT --resume")

    @property
    def notes(self) -> list[Message]:
        """What was noted when the cohort was read and the run was resumed, and of single items."""
        stored = map(Message.from_json, self.about["notes"])
        return list(dict.fromkeys([*self.restored, *stored, *item_notes(self.entries)]))

    def summary(self) -> dict[str, Any]:
        """What it is, how far it is, what went wrong, where its files are; plain data."""
        parts = {entry.part for entry in self.entries if entry.part is not None}
        models = list(map(_model_summary, self.about["models"]))
        incomplete = [entry for entry in self.entries if entry.note is not None]
        return {
            "run": str(self.folder.root if is_keyed(self.about) else self.folder.root.absolute()),
            "cohort": self.about["cohort"],
            "images": self.about["images"],
            "models": models,
            "items": self.counts,
            "failures": [failure.to_json() for failure in self.failures],
            "incomplete": list(map(_missing_maps, incomplete)),
            "notes": [*(note.to_json() for note in self.restored), *self.about["notes"]],
            "parts": len(parts),
            "files": {name: str(getattr(self.folder, name)) for name in _FILES},
        }

    def query(self, sql: str) -> pd.DataFrame:
        """Run any DuckDB query.

        Args:
            sql: over the views ``items``, ``cohort``, ``predictions`` and ``explanations``.

        Raises:
            UsageError: DuckDB refuses it, or a part is damaged.
        """
        import duckdb

        self._check_parts("meta", "predictions")
        try:
            db = connect(self.folder, self.entries)
        except duckdb.Error as error:
            raise UsageError(
                f"the tables of {self.folder.root} cannot be read: {error}", DAMAGED
            ) from error
        with db:
            try:
                return db.execute(sql).df()
            except duckdb.IOException as error:
                raise UsageError(
                    f"the tables of {self.folder.root} cannot be read: {error}", DAMAGED
                ) from error
            except duckdb.Error as error:
                fix = "tables: items, cohort, predictions, explanations"
                raise UsageError(f"the query failed: {error}", fix) from error

    def predictions(self) -> pd.DataFrame:
        """One row an image, model and label, in the cohort's order."""
        return self._predictions.copy()

    @cached_property
    def _predictions(self) -> pd.DataFrame:
        return self.query("SELECT * FROM predictions ORDER BY position, row")

    def image_names(self) -> list[tuple[str, str]]:
        """Id and file of each image, by which annotations are looked up, in the cohort's order."""
        images = self.predictions()[["image", "path"]].drop_duplicates("image")
        sources = map(image_source, images["image"].astype(str), images["path"].astype(str))
        return [(image, str(path)) for image, path in sources]

    @cached_property
    def _explanations(self) -> pd.DataFrame:
        return self.query("SELECT * FROM explanations ORDER BY position, row")

    def explanations(self) -> pd.DataFrame:
        """One row a map, in the cohort's order; the index is what :meth:`explanation` takes."""
        return self._explanations.copy()

    def explanation(self, index: int, levels: bool = False) -> Explanation:
        """The stored map of row ``index`` of :meth:`explanations`.

        Its scan is read from the image again if the file is there and its hash is the same.
        Otherwise it has no picture, and the warning :data:`camlucida.runs.stored_scan.NO_PICTURE`.

        Args:
            index: of the row.
            levels: whether all grey levels of a film of more than 8 bits are kept.

        Raises:
            UsageError: no such row, or a part is damaged.
        """
        (raw,) = self.raw([index])
        return self._restored(index, raw, None, levels)

    def card(self, model: str) -> Card:
        """The card of a model, as it was when it ran.

        Args:
            model: its name in the run.
        """
        cards = (each["resolved"] for each in self.about["models"] if each["name"] == model)
        return Card.model_validate(next(cards))

    def explanations_of(self, indices: Sequence[int], scan: Scan) -> list[Explanation]:
        """The stored maps of these rows of :meth:`explanations`, with an image already read.

        Args:
            indices: rows of one image.
            scan: that image, as the model sees it.

        Raises:
            UsageError: no such row, or its maps cannot be read.
        """
        maps = self.raw(indices)
        return [self._restored(index, raw, scan) for index, raw in zip(indices, maps)]

    def _restored(
        self, index: int, raw: Tensor, scan: Scan | None, levels: bool = False
    ) -> Explanation:
        """The explanation of a row; its image is read where ``scan`` is None."""
        row = {str(key): value for key, value in self._explanations.iloc[index].items()}
        provenance = json.loads(self._provenance[row["provenance"]])
        steps = list(map(Message.from_json, provenance["preprocessing"]))
        provenance["preprocessing"] = steps
        if "activation_note" in provenance:
            note = Message.from_json(provenance["activation_note"])
            provenance["activation_note"] = note
        if scan is None:
            scan = self._scan(row, provenance, levels)
        elif scan.geometry != stored_geometry(row):
            # A detector resizes and pads what its card has prepared.
            scan = replace(scan, geometry=stored_geometry(row))
        return Explanation(
            raw=raw,
            score=float(row["score"]),
            probability=_number_or_none(row["probability"]),
            scaled_output=_number_or_none(row["scaled_output"]),
            target=row["target"],
            method=row["method"],
            layer=row["layer"],
            relu=bool(row["relu"]),
            scan=scan,
            spec=stored_spec(row),
            empty_reason=Message.loads(row["empty_reason"]) if row["empty_reason"] else None,
            provenance=provenance | {"source": scan.source},
            detection=_stored_detection(row),
        )

    def raw(self, indices: Sequence[int]) -> list[Tensor]:
        """The stored maps of these rows of :meth:`explanations`; no image is read.

        Args:
            indices: of the rows; one may be given more than once.

        Returns:
            (*grid) each, signed, float32, in the order of ``indices``.

        Raises:
            UsageError: no such row, or a part is damaged.
        """
        table = self._explanations
        for index in indices:
            if not 0 <= index < len(table):
                raise UsageError(
                    f"no explanation {index}", f"the run has {len(table)}, counted from 0"
                )
        maps: dict[int, Tensor] = {}
        self._check_parts("maps", names=set(table.iloc[list(indices)]["part"]))
        for part, rows in table.iloc[list(indices)].groupby("part", sort=False):
            path = self.folder.part(str(part))["maps"]
            try:
                with safe_open(path, "pt") as file:
                    for index, tensor, slot in zip(rows.index, rows["tensor"], rows["slot"]):
                        maps[int(index)] = file.get_slice(tensor)[int(slot)].clone()
            except (SafetensorError, OSError) as error:
                raise UsageError(f"the maps of {path} cannot be read: {error}", DAMAGED) from error
        return [maps[index] for index in indices]

    def _check_parts(self, *kinds: str, names: Collection[str] | None = None) -> None:
        """Compare files of parts with the digests of the ledger; each file once.

        Args:
            kinds: "maps", "meta", "predictions".
            names: of the parts; None for all that hold an item of the cohort.

        Raises:
            UsageError: a file is missing or damaged.
        """
        numbers = {entry.part for entry in self.entries if entry.part is not None}
        for number in sorted(numbers):
            if names is not None and part_name(number) not in names:
                continue
            paths = self.folder.part(part_name(number))
            for kind in kinds:
                if paths[kind] in self._whole:
                    continue
                if file_sha256(paths[kind]) != self._digests[number].get(kind):
                    raise UsageError(f"{paths[kind]} is missing or damaged", DAMAGED)
                self._whole.add(paths[kind])

    @cached_property
    def _digests(self) -> dict[int, dict[str, str]]:
        ledger, _ = read_ledger(self.folder)
        with ledger:
            return ledger.digests()

    @cached_property
    def _provenance(self) -> dict[str, str]:
        ledger, _ = read_ledger(self.folder)
        with ledger:
            return ledger.provenance()

    def _scan(self, row: Mapping[str, Any], provenance: Mapping[str, Any], levels: bool) -> Scan:
        """The image again, prepared as it was; or its geometry alone."""
        return stored_scan(row, provenance, self.card(row["model"]), levels)


_FILES = ("about", "cohort", "ledger")


def _model_summary(model: Mapping[str, Any]) -> dict[str, Any]:
    stated = ("name", "card", "checkpoint", "seed", "fold", "weight", "sha256")
    requests = ("targets", "methods", "layers")
    summary = {name: model[name] for name in stated}
    return summary | {name: model["recipe"][name] for name in requests}


def _missing_maps(entry: LedgerEntry) -> dict[str, Any]:
    missing = [asdict(each) for each in entry.missing]
    return {"image": entry.image, "model": entry.model, "missing": missing}


def stored_spec(row: Mapping[Any, Any]) -> TargetSpec:
    """The target of a row of :meth:`Run.explanations`.

    Args:
        row: with a column ``target_…`` for each field of a :class:`TargetSpec`; a missing cell
            stands for the default.

    >>> row = {f"target_{item.name}": None for item in fields(TargetSpec)}
    >>> stored_spec(row | {"target_kind": "label", "target_label": "nodule"}).label
    'nodule'
    """
    values = {item.name: row[f"target_{item.name}"] for item in fields(TargetSpec)}
    present = {name: value for name, value in values.items() if not is_missing(value)}
    # a column with missing cells holds floats
    whole = {name: int(present[name]) for name in ("sign", "component") if name in present}
    return TargetSpec.from_json(present | whole)


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN or ``pd.NA``.

    >>> is_missing(float("nan")), is_missing(0), is_missing([])
    (True, False, False)
    """
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def find_runs(folder: Path) -> list[Path]:
    """The folder itself if it is a run, else the runs among its sub-folders, by name.

    Raises:
        UsageError: no such folder.
    """
    if store_of(folder) is not None:
        return runs_below(folder)
    folder = run_root(folder)
    if not folder.is_dir():
        raise UsageError(f"no folder {folder}", "give the folder that holds the runs")
    if is_run(folder):
        return [folder]
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and is_run(path)]


def is_run(path: Path) -> bool:
    """Whether a folder holds a run.

    Args:
        path: of the folder, which need not exist; or an address.

    >>> is_run(Path("no-such-folder"))
    False
    """
    store = store_of(path)
    if store is not None:
        return ABOUT in store.sizes()
    folder = RunFolder(run_root(path))
    return folder.exists() and folder.about.is_file()


def _stored_detection(row: Mapping[str, Any]) -> Detection | None:
    """The box of a detector; None of another model, or in a run of an earlier version."""
    text = row.get("detection")
    if is_missing(text):
        return None
    stored = json.loads(str(text))
    return Detection(**stored | {"box": tuple(stored["box"])})


def _number_or_none(value: Any) -> float | None:
    """A number of a table; None for an empty cell."""
    return None if pd.isna(value) else float(value)
