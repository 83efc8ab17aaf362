"""``camlucida run``: a cohort in, a run folder out.

Killed at any moment and resumed, a run ends as an uninterrupted one, byte for byte.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from camlucida.attribution.batches import DEFAULT_BATCH
from camlucida.core.errors import CamlucidaError, ModelError, UsageError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message, prefixed
from camlucida.datasets.cohort import CohortImage
from camlucida.datasets.cohort_file import CohortFile, read_cohort_file
from camlucida.models import LoadedModel
from camlucida.runs.compute import ItemResult, Worker, item_identity
from camlucida.runs.folder import FORMAT, RunFolder, one_writer
from camlucida.runs.identity import canonical, changed, file_sha256, make_recipe
from camlucida.runs.items import FinishedItem, Key, LedgerEntry, State, count_states, item_notes
from camlucida.runs.ledger import Ledger
from camlucida.runs.mismatch import kept_mark
from camlucida.runs.parts import Digests, write_durable_json, write_durable_table, write_part
from camlucida.runs.plan import Loader, ModelPlan, plan_models
from camlucida.runs.restore import write_ledger
from camlucida.runs.resume import DEATHS, recover, sync, tidy
from camlucida.runs.tables import cohort_rows, cohort_schema

T = TypeVar("T")
PART = 32
"""Images of a part: what a kill can cost. Batches never cross it, so a resumed run has the batches
of an uninterrupted one."""


@dataclass
class RunOutcome:
    """How a run ended.

    Attributes:
        folder: of the run.
        counts: state → items.
        failures: items that failed, and images that could not be items.
        notes: what the reader should know.
        tasks: name of a model → its task, and where that comes from.
    """

    folder: Path
    counts: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)
    tasks: dict[str, Message] = field(default_factory=dict)


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
    """Explain and predict every image of a cohort with each of its models.

    Args:
        cohort: COHORT.toml.
        out: the run's folder, made if missing.
        resume: go on with the run in ``out``: what is done and unchanged stays, the rest is
            computed.
        device: as in :func:`~camlucida.models.load_model`.
        batch_size: images in one forward pass. None: that of the run that is resumed, else 8 on a
            CPU, 32 on a GPU.
        about: further entries of ``run.json``: command, versions.
        progress: called with the number of items done since the last call, and once with their
            total.

    Raises:
        UsageError, LayerError, ModelError: the request is wrong, or the folder holds a run and
            ``resume`` is False; nothing of an earlier run is changed.
        CamlucidaError: the folder cannot be written; what was done is kept.
    """
    file, folder = read_cohort_file(cohort), _folder(out, resume)
    earlier = folder.read_about() if folder.about.is_file() else {}
    loader = Loader(device)
    plans = plan_models(file, loader)
    device_type = loader.device(plans[0].entry)
    size = batch_size or earlier.get("batch_size") or _default_batch(plans, device_type)
    problems = _distinct(plan.cohort.problems for plan in plans)
    notes = _distinct(plan.cohort.notes for plan in plans)
    for plan in plans:
        notes += [prefixed(plan.name, note) for note in plan.notes]
    with _writable(folder), one_writer(folder), _ledger(folder, notes) as ledger:
        notes += recover(folder, ledger)
        notes += sync(ledger, plans, earlier)
        record = _record(file, plans, size, problems, notes)
        further = {"device": device_type, **(about or {}), **kept_mark(earlier, record)}
        _write_tables(folder, file, plans, record | further)
        _report_done(ledger, plans, progress)
        for plan in plans:
            worker = Worker(_unchanged(loader(plan.entry), plan), plan.name, plan.recipe)
            for part in _pending_parts(ledger, plan):
                _compute_part(folder, ledger, worker, part, size)
                progress(len(part))
        tidy(folder, ledger)
        entries = _in_cohort(ledger)
    failures = _distinct([problems, _failures(entries)])
    notes += item_notes(entries)
    tasks = {plan.name: plan.task for plan in plans if plan.task is not None}
    return RunOutcome(folder.root, count_states(entries), failures, notes, tasks)


def _default_batch(plans: Sequence[ModelPlan], device_type: str) -> int:
    """Images in one forward pass: of volumes one, which is as large as a batch of images."""
    if any(plan.card.get("volume") is not None for plan in plans):
        return 1
    return DEFAULT_BATCH.get(device_type, 8)


def _failures(entries: Sequence[LedgerEntry]) -> list[Failure]:
    return [entry.failure for entry in entries if entry.failure is not None]


def _report_done(
    ledger: Ledger, plans: Sequence[ModelPlan], progress: Callable[..., object]
) -> None:
    """What was done before this run, and the total."""
    states = [entry.state for entry in _in_cohort(ledger)]
    done = len(states) - states.count("pending")
    progress(done, total=sum(len(plan.keys) for plan in plans))


def _in_cohort(ledger: Ledger) -> list[LedgerEntry]:
    return [entry for entry in ledger.entries() if entry.position is not None]


def _folder(out: Path, resume: bool) -> RunFolder:
    folder = RunFolder(out)
    if folder.exists() and not resume:
        raise UsageError(
            f"{out} holds a run already", "add --resume to go on with it, or give another --out"
        )
    folder.check_free()
    return folder


@contextmanager
def _writable(folder: RunFolder) -> Iterator[None]:
    """Make the folder; what the system refuses while the run is written becomes one line."""
    try:
        folder.make()
        yield
    except (OSError, sqlite3.OperationalError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        fix = "mend that, then go on with --resume: what was done is kept"
        raise CamlucidaError(f"the run {folder.root} cannot be written: {reason}", fix) from error


@contextmanager
def _ledger(folder: RunFolder, notes: list[Message]) -> Iterator[Ledger]:
    """The ledger; a note is added where it had to be restored."""
    ledger, restored = write_ledger(folder)
    notes += restored
    with ledger:
        yield ledger


@contextmanager
def _sparing(ledger: Ledger, keys: Sequence[Key]) -> Iterator[None]:
    """Do not count an interrupt or a full disk as a death of the process on these items."""
    try:
        yield
    except (KeyboardInterrupt, OSError, sqlite3.Error):
        with suppress(sqlite3.Error):
            ledger.spare(keys)
        raise


def _unchanged(model: LoadedModel, plan: ModelPlan) -> LoadedModel:
    """The model, if it is still the planned one.

    Of a run of several models each is loaded again when it is its turn.

    Raises:
        ModelError: its weights, card or code have changed.
    """
    planned = plan.recipe
    now = make_recipe(model, planned.targets, planned.methods, planned.layers)
    if now != planned:
        what = ", ".join(changed(json.loads(canonical(asdict(planned))), now))
        raise ModelError(
            f"{plan.name}: its {what} changed while the run was going on",
            "go on with --resume once it stays as it is",
        )
    return model


def _write_tables(
    folder: RunFolder, file: CohortFile, plans: Sequence[ModelPlan], record: Mapping[str, Any]
) -> None:
    images = [(plan.name, plan.cohort.images) for plan in plans]
    schema = cohort_schema(file.config.columns.groups)
    write_durable_table(folder.cohort, cohort_rows(images), schema)
    write_durable_json(folder.about, record)


def _record(
    file: CohortFile,
    plans: Sequence[ModelPlan],
    size: int,
    problems: Sequence[Failure],
    notes: Sequence[Message],
) -> dict[str, Any]:
    """The content of ``run.json``."""
    config, masks = file.config, plans[0].cohort.masks
    return {
        "format": FORMAT,
        "name": file.name,
        "cohort": str(file.path),
        "config": config.model_dump(mode="json", exclude_none=True),
        "masks": None if masks is None else str(masks),
        "boxes": None if config.boxes is None else str(file.resolve(config.boxes)),
        "regions": None if config.regions is None else str(file.resolve(config.regions)),
        "models": list(map(_model_record, plans)),
        "images": len(plans[0].cohort.images),
        "patients_known": plans[0].cohort.patients_known,
        "batch_size": size,
        "problems": list(problems),
        "notes": list(notes),
        "notice": "Research use only",
    }


def _model_record(plan: ModelPlan) -> dict[str, Any]:
    stated = {"card", "checkpoint", "checkpoint_key", "output", "seed", "fold", "weight"}
    return {
        "name": plan.name,
        **plan.entry.model_dump(include=stated),
        "sha256": plan.recipe.weights,
        "task": plan.task,
        "resolved": plan.card,
        "recipe": json.loads(canonical(asdict(plan.recipe))),
    }


def _distinct(lists: Iterable[Iterable[T]]) -> list[T]:
    """The items of all lists, each once."""
    return list(dict.fromkeys(chain.from_iterable(lists)))


def _slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


Part = Sequence[tuple[CohortImage, LedgerEntry]]


def _pending_parts(ledger: Ledger, plan: ModelPlan) -> Iterator[Part]:
    """What is left to do; a part's images are the same whatever was done before."""
    entries = {entry.key: entry for entry in ledger.entries(plan.name)}
    for slice_ in _slices(list(zip(plan.cohort.images, plan.keys)), PART):
        part = [(image, entries[key]) for image, key in slice_ if entries[key].state == "pending"]
        if part:
            yield part


def _compute_part(folder: RunFolder, ledger: Ledger, worker: Worker, part: Part, size: int) -> None:
    """One part, from images to the ledger."""
    with _sparing(ledger, [entry.key for _, entry in part]):
        deadly = [
            result
            for image, entry in part
            if (result := _try_alone(ledger, worker, image, entry)) is not None
        ]
        given_up = {result.image.id for result in deadly}
        images = [image for image, _ in part if image.id not in given_up]
        ledger.begin([(image.id, worker.name) for image in images])
        results: list[ItemResult] = []
        for batch in _slices(images, size):
            results += worker.process(batch)
        provenance: dict[str, str] = {}
        for result in results:
            provenance |= result.provenance
        items = list(_finished([*results, *deadly], worker.name))
        stored = [result for result in results if result.predicted]
        number, digests = None, None
        if stored:
            number = ledger.next_part()
            record = _part_record(items, provenance)
            digests = _write_results(folder, number, stored, record)
        ledger.finish(number, items, provenance, digests)


def _part_record(items: Iterable[FinishedItem], provenance: Mapping[str, str]) -> dict[str, Any]:
    """What a part says of its items, so that a lost ledger can be restored."""
    stored = [item.to_json() for item in items if item.row is not None]
    return {"items": stored, "provenance": dict(provenance)}


def _write_results(
    folder: RunFolder, number: int, stored: Sequence[ItemResult], record: Mapping[str, Any]
) -> Digests:
    """Write a part, and return the digests of its files."""
    return write_part(
        folder,
        number,
        list(chain.from_iterable(result.rows for result in stored)),
        list(chain.from_iterable(result.maps for result in stored)),
        list(chain.from_iterable(result.predictions for result in stored)),
        record,
    )


def _finished(results: Iterable[ItemResult], model: str) -> Iterator[FinishedItem]:
    row = 0
    for result in results:
        state: State = "done" if result.failure is None else "failed"
        first = row if result.predicted else None
        key = (result.image.id, model)
        yield FinishedItem(key, state, result.identity, first, result.failure, result.missing)
        row += len(result.predictions)


def _try_alone(
    ledger: Ledger, worker: Worker, image: CohortImage, entry: LedgerEntry
) -> ItemResult | None:
    """Find the image on which the process dies again and again.

    An image of a part on which the process died :data:`~camlucida.runs.resume.DEATHS` times is
    computed by itself. The result is thrown away, so that the batches stay what they were.

    Returns:
        The failure of an image on which the process died as often by itself; else None.
    """
    if entry.attempts < DEATHS:
        return None
    if entry.alone >= DEATHS:
        deaths = f"the process died {entry.alone} times while it worked on this image alone"
        sha256 = file_sha256(image.path) or ""
        failure = Failure(image.id, "died", f"{image.path}: {deaths}")
        return ItemResult(image, item_identity(worker.recipe, image, sha256), failure=failure)
    ledger.alone(entry.key, True)
    worker.process([image])
    ledger.alone(entry.key, False)
    return None
