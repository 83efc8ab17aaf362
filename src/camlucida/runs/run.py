"""``camlucida run``: a cohort in, a run folder out; killed at any moment and resumed, it ends as if nothing had happened."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from camlucida.attribution.batches import DEFAULT_BATCH
from camlucida.core.errors import CamlucidaError, ModelError, UsageError
from camlucida.core.messages import Message
from camlucida.datasets.cohort import CohortImage
from camlucida.datasets.cohort_file import CohortFile, read_cohort_file
from camlucida.models import LoadedModel
from camlucida.runs.compute import ItemResult, Worker, item_identity
from camlucida.runs.folder import FORMAT, RunFolder, one_writer
from camlucida.runs.identity import canonical, changed, file_sha256, make_recipe
from camlucida.runs.ledger import FinishedItem, Key, Ledger, LedgerEntry, State, item_note
from camlucida.runs.parts import write_durable_json, write_durable_table, write_part
from camlucida.runs.plan import Loader, ModelPlan, plan_models
from camlucida.runs.resume import DEATHS, recover, sync, tidy
from camlucida.runs.tables import cohort_rows, cohort_schema

T = TypeVar("T")
PART = 32
"""Images of a part: what a kill can cost. Batches never cross it, so a resumed run has the batches of an uninterrupted one."""


@dataclass
class RunOutcome:
    """How a run ended.

    Attributes:
        counts: state → items.
        failures: (image, line) of items that failed and of images that could not be items.
        notes: one line each.
    """

    folder: Path
    counts: dict[str, int] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)


def execute(
    cohort: str | Path,
    out: Path,
    *,
    resume: bool = False,
    device: str = "auto",
    batch_size: int | None = None,
    about: Mapping[str, Any] | None = None,
    progress: Callable[..., object] = lambda done=0, total=None: None,
) -> RunOutcome:
    """Explain and predict every image of a cohort with every model of it.

    Args:
        cohort: COHORT.toml.
        out: the run's folder, made if missing.
        resume: go on with the run that is there: what is done and unchanged stays, the rest is computed.
        device: as in :func:`~camlucida.models.load_model`.
        batch_size: images in one forward. None: that of the run that is resumed, else 8 on a CPU, 32 on a GPU.
        about: further entries of ``run.json``: command, versions.
        progress: called with how many items were done since the last call, and once with their total.

    Raises:
        UsageError, LayerError, ModelError: the request is wrong, or the folder holds a run and ``resume`` is False; nothing
            of an earlier run is changed.
    """
    file, folder = read_cohort_file(cohort), RunFolder(out)
    if folder.exists() and not resume:
        raise UsageError(
            f"{out} holds a run already", "add --resume to go on with it, or give another --out"
        )
    folder.check_free()
    before = folder.read_about() if folder.about.is_file() else {}
    loader = Loader(device)
    plans = plan_models(file, loader)
    with _written(folder), one_writer(folder), Ledger.write(folder.ledger) as ledger:
        lost = recover(folder, ledger)
        notes = [
            *_once(note for plan in plans for note in plan.cohort.notes),
            *lost,
            *sync(ledger, plans, before),
        ]
        problems = _once(problem for plan in plans for problem in plan.cohort.problems)
        size = (
            batch_size
            or before.get("batch_size")
            or DEFAULT_BATCH.get(loader.device(plans[0].entry), 8)
        )
        record = (
            _record(file, plans, size, problems, notes)
            | {"device": loader.device(plans[0].entry)}
            | dict(about or {})
        )
        members = [(plan.name, plan.cohort.images) for plan in plans]
        write_durable_table(
            folder.cohort, cohort_rows(members), cohort_schema(file.config.columns.groups)
        )
        write_durable_json(folder.about, record)
        done = sum(
            entry.state != "pending" for entry in ledger.entries() if entry.position is not None
        )
        progress(done, total=sum(len(plan.keys) for plan in plans))
        for plan in plans:
            worker = Worker(_unchanged(loader(plan.entry), plan), plan.name, plan.recipe)
            for part in _pending(ledger, plan):
                with _sparing(ledger, [entry.key for _, entry in part]):
                    _compute(folder, ledger, worker, part, size)
                progress(len(part))
        tidy(folder, ledger)
        entries = [entry for entry in ledger.entries() if entry.position is not None]
    failures = _once(
        [*problems, *((entry.image, entry.error) for entry in entries if entry.state == "failed")]
    )
    counts = {
        state: sum(entry.state == state for entry in entries)
        for state in ("done", "failed", "pending")
    }
    notes += [item_note(entry) for entry in entries if entry.note]
    return RunOutcome(folder.root, counts, failures, notes)


@contextmanager
def _written(folder: RunFolder) -> Iterator[None]:
    """Make the folder; a full disk, or whatever else the system refuses while the run is written, becomes one line."""
    try:
        folder.make()
        yield
    except (OSError, sqlite3.OperationalError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        fix = "mend that, then go on with --resume: what was done is kept"
        raise CamlucidaError(f"the run {folder.root} cannot be written: {reason}", fix) from error


@contextmanager
def _sparing(ledger: Ledger, keys: Sequence[Key]) -> Iterator[None]:
    """An interrupt or a full disk is no death of the process: it is not held against the images."""
    try:
        yield
    except (KeyboardInterrupt, OSError, sqlite3.Error):
        with suppress(sqlite3.Error):
            ledger.spare(keys)
        raise


def _unchanged(model: LoadedModel, plan: ModelPlan) -> LoadedModel:
    """The model, if it is still the one that was planned: of several models, each is loaded again when it is its turn."""
    now, planned = (
        make_recipe(model, plan.recipe.targets, plan.recipe.methods, plan.recipe.layers),
        plan.recipe,
    )
    if now != planned:
        what = ", ".join(changed(json.loads(canonical(asdict(planned))), now))
        raise ModelError(
            f"{plan.name}: its {what} changed while the run was going on",
            "go on with --resume once it stays as it is",
        )
    return model


def _record(
    file: CohortFile,
    plans: Sequence[ModelPlan],
    size: int,
    problems: Sequence[tuple[str, str]],
    notes: Sequence[Message],
) -> dict[str, Any]:
    """The content of ``run.json``."""
    config = file.config
    models = [
        {
            "name": plan.name,
            **plan.entry.model_dump(include={"card", "checkpoint", "seed", "fold", "weight"}),
            "sha256": plan.recipe.weights,
            "resolved": plan.card,
            "recipe": json.loads(canonical(asdict(plan.recipe))),
        }
        for plan in plans
    ]
    return {
        "format": FORMAT,
        "name": file.name,
        "cohort": str(file.path),
        "config": config.model_dump(mode="json", exclude_none=True),
        "masks": None if config.masks is None else str(file.resolve(config.masks)),
        "boxes": None if config.boxes is None else str(file.resolve(config.boxes)),
        "models": models,
        "images": len(plans[0].cohort.images),
        "patients_known": plans[0].cohort.patients_known,
        "batch_size": size,
        "problems": [list(problem) for problem in problems],
        "notes": list(notes),
        "notice": "Research use only",
    }


def _once(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))


def _slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _pending(ledger: Ledger, plan: ModelPlan) -> Iterator[list[tuple[CohortImage, LedgerEntry]]]:
    """What is left to do, part by part; a part's images are the same whatever was done before."""
    entries = {entry.key: entry for entry in ledger.entries(plan.name)}
    for part in _slices(list(zip(plan.cohort.images, plan.keys)), PART):
        left = [(member, entries[key]) for member, key in part if entries[key].state == "pending"]
        if left:
            yield left


def _compute(
    folder: RunFolder,
    ledger: Ledger,
    worker: Worker,
    part: Sequence[tuple[CohortImage, LedgerEntry]],
    size: int,
) -> None:
    """One part, from images to the ledger."""
    deadly = [
        found
        for member, entry in part
        if (found := _trial(ledger, worker, member, entry)) is not None
    ]
    given_up = {found.member.id for found in deadly}
    healthy = [member for member, _ in part if member.id not in given_up]
    ledger.begin([(member.id, worker.name) for member in healthy])
    answered = [found for batch in _slices(healthy, size) for found in worker.process(batch)]
    kept = [found for found in answered if found.answered]
    number = ledger.next_part() if kept else None
    if number is not None:
        rows, maps = (
            [row for found in kept for row in found.rows],
            [values for found in kept for values in found.maps],
        )
        write_part(folder, number, rows, maps, [row for found in kept for row in found.predictions])
    provenance = {key: text for found in kept for key, text in found.provenance.items()}
    ledger.finish(number, _settled([*answered, *deadly], worker.name), provenance)


def _settled(found: Iterable[ItemResult], model: str) -> Iterator[FinishedItem]:
    row = 0
    for one in found:
        state: State = "failed" if one.error else "done"
        first = row if one.answered else None
        yield FinishedItem((one.member.id, model), state, one.identity, first, one.error, one.note)
        row += len(one.predictions)


def _trial(
    ledger: Ledger, worker: Worker, member: CohortImage, entry: LedgerEntry
) -> ItemResult | None:
    """Of an image on whose part the process died again and again: try it by itself, and throw the result away, so that the
    batches stay what they were. Where it is found to be the one, why it is given up; else None."""
    if entry.attempts < DEATHS:
        return None
    if entry.alone >= DEATHS:
        sha256 = file_sha256(member.path) or ""
        error = f"{member.path}: the process died {entry.alone} times while it worked on this image alone"
        return ItemResult(member, item_identity(worker.recipe, member, sha256), error=error)
    ledger.alone(entry.key, True)
    worker.process([member])
    ledger.alone(entry.key, False)
    return None
