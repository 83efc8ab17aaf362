"""``camlucida run``: a cohort in, a run folder out.

Killed at any moment and resumed, a run ends as an uninterrupted one, byte for byte.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from camlucida.attribution.batches import DEFAULT_BATCH
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message, declare, prefixed
from camlucida.datasets.cohort import CohortImage
from camlucida.datasets.cohort_file import CohortFile, read_cohort_file
from camlucida.runs.driver import Driver
from camlucida.runs.executors import ExecutorConfig, WorkerSpec, open_executor
from camlucida.runs.extensions import extension_modules
from camlucida.runs.folder import FORMAT, RunFolder, one_writer
from camlucida.runs.identity import canonical
from camlucida.runs.items import LedgerEntry, count_states, item_notes
from camlucida.runs.keyed import keyed_plans, keyed_record, wants_keys
from camlucida.runs.ledger import Ledger
from camlucida.runs.letters import notes_of_letters
from camlucida.runs.mismatch import kept_mark
from camlucida.runs.parts import write_durable_json, write_durable_table
from camlucida.runs.plan import Loader, ModelPlan, plan_models
from camlucida.runs.restore import write_ledger
from camlucida.runs.resume import recover, sync, tidy
from camlucida.runs.slots import WHOLE, Shard, Slot, images_of, part_slots
from camlucida.runs.storage import RunStore, run_root, store_of
from camlucida.runs.tables import cohort_rows, cohort_schema

declare(
    "notes",
    {
        "empty_shard": (
            "this shard has no image: the cohort has {parts} {parts:|part|parts} of up to {size} "
            "images, and there are {count} shards"
        ),
    },
)

T = TypeVar("T")
PART = 32
"""Images of a part: what a kill can cost. Batches never cross it, so a resumed run has the batches
of an uninterrupted one."""
IN_THIS_PROCESS = ExecutorConfig()


@dataclass
class RunOutcome:
    """How a run ended.

    Attributes:
        folder: of the run.
        counts: state → items.
        failures: items that failed, and images that could not be items.
        notes: what the reader should know.
        tasks: name of a model → its task, and where that comes from.
        keyed: whether images have keyed names.
    """

    folder: Path
    counts: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)
    tasks: dict[str, Message] = field(default_factory=dict)
    keyed: bool = False

    @property
    def naming(self) -> Message:
        """How images are named."""
        return Message("privacy.keyed" if self.keyed else "privacy.named")


def execute(
    cohort: str | Path,
    out: str | Path,
    *,
    resume: bool = False,
    device: str = "auto",
    batch_size: int | None = None,
    about: Mapping[str, Any] | None = None,
    executor: ExecutorConfig = IN_THIS_PROCESS,
    shard: Shard = WHOLE,
    deidentify: bool = False,
    progress: Callable[..., object] = lambda done=0, total=None: None,
) -> RunOutcome:
    """Explain and predict every image of a cohort with each of its models.

    Args:
        cohort: COHORT.toml.
        out: the run's folder, made if missing; or an address, such as ``s3://bucket/runs/nih``, to
            which each part is uploaded when it is written.
        resume: go on with the run in ``out``: what is done and unchanged stays, the rest is
            computed.
        device: as in :func:`~camlucida.models.load_model`.
        batch_size: images in one forward pass. None: that of the run that is resumed, else 8 on a
            CPU, 32 on a GPU.
        about: further entries of ``run.json``: command, versions.
        executor: where the work is done. What is stored does not depend on it.
        shard: compute this part of the cohort only, into a folder of its own;
            :func:`~camlucida.runs.merge.merge` joins the folders.
        deidentify: keyed names in place of those of images, patients, files and folders; a run
            that was begun so goes on so.
        progress: called with the number of items done since the last call, and once with their
            total.

    Raises:
        UsageError, LayerError, ModelError: the request is wrong, or the folder holds a run and
            ``resume`` is False; nothing of an earlier run is changed.
        CamlucidaError: the folder cannot be written; what was done is kept.
    """
    file, store = read_cohort_file(cohort), store_of(out)
    folder = _folder(out, store, resume)
    earlier = folder.read_about() if folder.about.is_file() else {}
    keyed = wants_keys(deidentify, earlier, out)
    loader = Loader(device)
    plans = _plans(file, loader, keyed)
    device_type = "cuda" if executor.gpus_per_worker else loader.device(plans[0].entry)
    size = batch_size or earlier.get("batch_size") or _default_batch(plans, device_type)
    problems = _distinct(plan.cohort.problems for plan in plans)
    notes = _plan_notes(plans)
    whole = plans
    last = sum(map(len, _slots(whole)))
    slots = _slots(whole, shard)
    plans = list(map(_of_slots, whole, slots))
    with _writable(folder), _uploading(store), one_writer(folder), _ledger(folder, notes) as ledger:
        notes += recover(folder, ledger)
        notes += sync(ledger, plans, earlier)
        record = _record(file, whole, size, problems, notes) | _shard_record(shard, last)
        record |= {"device": device_type, **(about or {})}
        if keyed:
            record = keyed_record(record, file)
        _write_tables(folder, file, whole, record | kept_mark(earlier, record))
        _report_done(ledger, plans, progress)
        if store is not None:
            store.begin()
        for plan, of_plan in zip(plans, slots):
            spec = _worker_spec(plan, device)
            with closing(open_executor(executor, spec, loader)) as workers:
                driver = Driver(folder, ledger, workers, plan.name, plan.recipe, size, last, store)
                driver.run(of_plan, progress)
        tidy(folder, ledger)
        entries = _in_cohort(ledger)
    if store is not None:
        store.push()
    failures = _distinct([problems, _failures(entries)])
    notes += [*item_notes(entries), *notes_of_letters(folder, entries)]
    notes += _shard_notes(slots, shard, last)
    tasks = {plan.name: plan.task for plan in plans if plan.task is not None}
    return RunOutcome(folder.root, count_states(entries), failures, notes, tasks, keyed)


def _plans(file: CohortFile, loader: Loader, keyed: bool) -> list[ModelPlan]:
    plans = plan_models(file, loader)
    return keyed_plans(file, plans) if keyed else plans


def _default_batch(plans: Sequence[ModelPlan], device_type: str) -> int:
    """Images in one forward pass: of volumes one, which is as large as a batch of images."""
    if any(plan.card.get("volume") is not None for plan in plans):
        return 1
    return DEFAULT_BATCH.get(device_type, 8)


def _plan_notes(plans: Sequence[ModelPlan]) -> list[Message]:
    """Notes on the cohort, each once, then those on each model with its name."""
    notes = _distinct(plan.cohort.notes for plan in plans)
    for plan in plans:
        notes += [prefixed(plan.name, note) for note in plan.notes]
    return notes


def _slots(plans: Sequence[ModelPlan], shard: Shard = WHOLE) -> list[list[Slot[CohortImage]]]:
    return part_slots([plan.cohort.images for plan in plans], PART, shard)


def _of_slots(plan: ModelPlan, slots: Sequence[Slot[CohortImage]]) -> ModelPlan:
    """The plan of a shard."""
    return replace(plan, cohort=replace(plan.cohort, images=images_of(slots)))


def _shard_record(shard: Shard, parts: int) -> dict[str, Any]:
    """What ``run.json`` says of a shard: which one, of how many, and the parts of all of them."""
    if shard == WHOLE:
        return {}
    return {"shard": {"index": shard.index, "count": shard.count, "part": PART, "parts": parts}}


def _shard_notes(slots: Sequence[object], shard: Shard, parts: int) -> list[Message]:
    """A note on a shard that has no part; it is not stored, since a merged run has all."""
    if any(slots):
        return []
    values = {"parts": parts, "size": PART, "count": shard.count}
    return [Message("notes.empty_shard", values)]


def _worker_spec(plan: ModelPlan, device: str) -> WorkerSpec:
    # All images of a cohort share their masks.
    images = plan.cohort.images
    masks = images[0].true_masks if images else None
    modules = extension_modules(plan.recipe.methods)
    return WorkerSpec(plan.entry, plan.name, plan.recipe, device, modules, masks)


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


def _folder(out: str | Path, store: RunStore | None, resume: bool) -> RunFolder:
    folder = RunFolder(run_root(out))
    is_stored = store is not None and store.pull()
    if (is_stored or folder.exists()) and not resume:
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
def _uploading(store: RunStore | None) -> Iterator[None]:
    """Of a run that is interrupted no upload goes on."""
    try:
        yield
    except BaseException:
        if store is not None:
            store.stop()
        raise


@contextmanager
def _ledger(folder: RunFolder, notes: list[Message]) -> Iterator[Ledger]:
    """The ledger; a note is added where it had to be restored."""
    ledger, restored = write_ledger(folder)
    notes += restored
    with ledger:
        yield ledger


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
