"""Shards of a run, joined: the folder is that of a run which was never divided."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.messages import Message, declare
from camlucida.runs.folder import TEMPORARY, RunFolder, sync_folder
from camlucida.runs.identity import file_sha256
from camlucida.runs.items import FinishedItem, LedgerEntry
from camlucida.runs.ledger import Ledger
from camlucida.runs.mismatch import MISMATCH, any_mismatch
from camlucida.runs.parts import part_name, write_durable, write_durable_json
from camlucida.runs.read import Run, find_runs
from camlucida.runs.restore import cohort_keys, read_ledger
from camlucida.runs.storage import RunStore, run_root, store_of

declare(
    "notes",
    {
        "merged_unlike": (
            "the shards were computed with different {what}, so their maps may differ in the last "
            "digits: {values}"
        ),
    },
)


def merge(folders: Sequence[Path], out: str | Path) -> Run:
    """Join the shards of a run.

    Args:
        folders: each holds shards, or is one; together they hold every shard once. Addresses are
            fetched.
        out: folder of the run, which is new or empty. It appears whole or not at all. To an address
            it is uploaded.

    Returns:
        The run, opened.

    Raises:
        UsageError: a shard is missing, is there twice, or is not finished; the shards are of
            different cohorts, models or versions; a file is damaged; ``out`` holds something.
        CamlucidaError: ``out`` cannot be written.
    """
    shards = _in_order(list(chain.from_iterable(map(find_runs, folders))))
    _check_same(shards)
    store, root = store_of(out), run_root(out)
    occupied = root.exists() and (not root.is_dir() or any(root.iterdir()))
    if occupied or (store is not None and store.sizes()):
        raise UsageError(f"--out {out} is not empty", "give another folder")
    _join(shards, root)
    if store is not None:
        _upload(store, root)
    return Run.open(root)


def _upload(store: RunStore, root: Path) -> None:
    """The joined run in the store, whole or not at all: the shards are still there."""
    try:
        store.push()
    except BaseException as error:
        shutil.rmtree(root)
        with suppress(CamlucidaError):  # the first error is raised
            store.clear()
        if isinstance(error, CamlucidaError):
            fix = f"mend that, remove what is left at {store.address}, then merge again"
            raise CamlucidaError(error.what, fix) from error
        raise


def _join(shards: Sequence[Run], out: Path) -> None:
    """The joined run in a folder, whole or not at all."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f"{TEMPORARY}merge-"))
        try:
            _write(shards, RunFolder(temporary))
            temporary.chmod(0o755)
            temporary.replace(out)
        except BaseException:
            shutil.rmtree(temporary)
            raise
        sync_folder(out.parent)
    except OSError as error:
        raise CamlucidaError(
            f"{out} cannot be written: {error.strerror}", "mend that, then merge again"
        ) from error


def _in_order(paths: Sequence[Path]) -> list[Run]:
    """The shards by their number; all of them, once each."""
    runs: dict[int, Run] = {}
    count = 0
    for path in paths:
        run = Run.open(path)
        shard = run.about.get("shard")
        if shard is None:
            fix = "compute shards with: camlucida run … --shard i/n"
            raise UsageError(f"{path} is a run, but no shard", fix)
        if shard["index"] in runs or count not in (0, shard["count"]):
            other = runs.get(shard["index"], next(iter(runs.values()))).folder.root
            what = f"{other} and {path} are not shards of one run, or the same shard"
            raise UsageError(what, "give the folder of one sharded run")
        count = shard["count"]
        runs[shard["index"]] = run
    missing = [f"{index}/{count}" for index in range(1, count + 1) if index not in runs]
    if missing or not runs:
        where = "no shard is there" if not runs else f"missing: {', '.join(missing[:12])}"
        raise UsageError(where, "compute it with: camlucida run … --shard i/n")
    return [runs[index] for index in sorted(runs)]


def _check_same(shards: Sequence[Run]) -> None:
    """Raises UsageError where a shard is unfinished, or of another cohort or model."""
    first = shards[0]
    cohort = file_sha256(first.folder.cohort)
    for run in shards:
        root = run.folder.root
        if run.counts["pending"]:
            shard = run.about["shard"]
            again = f"camlucida run … --shard {shard['index']}/{shard['count']} --resume"
            raise UsageError(
                f"{root}: {run.counts['pending']} items are still to be computed",
                f"go on with: {again}",
            )
        different = [key for key in _SAME if run.about.get(key) != first.about.get(key)]
        if run.about["shard"]["parts"] != first.about["shard"]["parts"]:
            different.append("number of parts")
        if file_sha256(run.folder.cohort) != cohort:
            different.append("cohort.parquet")
        if different:
            what = f"{first.folder.root} and {root} differ in {_named(first, run, different)}"
            fix = "compute both with the same files and versions: --resume does what has changed"
            raise UsageError(what, fix)


_SAME = ("format", "config", "models")
_LIKE = ("device", "batch_size")


def _named(first: Run, other: Run, keys: Sequence[str]) -> str:
    """What differs; of models, which entries of their recipes."""
    names = [key for key in keys if key != "models"]
    for one, two in zip(first.about["models"], other.about["models"]):
        recipes = one["recipe"], two["recipe"]
        names += [
            f"{one['name']}: {key}" for key in recipes[0] if recipes[0][key] != recipes[1][key]
        ]
    return ", ".join(names) or "models"


def _write(shards: Sequence[Run], folder: RunFolder) -> None:
    """Files, ledger and ``run.json`` of the joined run."""
    folder.make()
    write_durable(folder.cohort, shards[0].folder.cohort.read_bytes())
    last = shards[0].about["shard"]["parts"]
    with closing(Ledger.write(folder.ledger)) as ledger:
        ledger.set_cohort(cohort_keys(folder))
        for run in shards:
            _add(run, folder, ledger, last)
    write_durable_json(folder.about, _about(shards))


def _add(run: Run, folder: RunFolder, ledger: Ledger, last: int) -> None:
    """Take over the parts and the items of a shard."""
    source, _ = read_ledger(run.folder)
    with source:
        digests, provenance = source.digests(), source.provenance()
    by_part: dict[int | None, list[LedgerEntry]] = {}
    for entry in run.entries:
        by_part.setdefault(entry.part, []).append(entry)
        for _ in range(entry.alone):
            ledger.alone(entry.key, True)
    for part, entries in sorted(by_part.items(), key=lambda item: item[0] or 0):
        keys = [entry.key for entry in entries]
        ledger.begin(keys)
        number = None if part is None else ledger.part_number(part, last)
        if part is not None and number is not None:
            _copy_part(run.folder, part, folder, number, digests[part])
        of_part = {} if part is None else digests[part]
        ledger.finish(number, map(_finished, entries), provenance, of_part)


def _copy_part(
    source: RunFolder, part: int, target: RunFolder, number: int, digests: dict[str, str]
) -> None:
    """Copy the files of a part, and compare them with their digests."""
    paths = target.part(part_name(number))
    for kind, path in source.part(part_name(part)).items():
        if file_sha256(path) != digests.get(kind):
            raise UsageError(f"{path} is missing or damaged", "go on with that shard: --resume")
        write_durable(paths[kind], path.read_bytes())


def _finished(entry: LedgerEntry) -> FinishedItem:
    return FinishedItem(
        entry.key, entry.state, entry.identity, entry.row, entry.failure, entry.missing
    )


def _about(shards: Sequence[Run]) -> dict[str, Any]:
    """``run.json`` of the joined run."""
    about = {key: value for key, value in shards[0].about.items() if key != "shard"}
    problems = list(chain.from_iterable(run.about["problems"] for run in shards))
    notes = list(chain.from_iterable(run.about["notes"] for run in shards))
    notes += [note.to_json() for note in _unlike(shards)]
    about["problems"] = _distinct(problems)
    about["notes"] = _distinct(notes)
    marked = {MISMATCH: True} if any_mismatch(shards) else {}
    return about | {"shards": len(shards)} | marked


def _unlike(shards: Sequence[Run]) -> list[Message]:
    """A note where shards were computed on different devices or in different batches."""
    notes = []
    for key in _LIKE:
        values = sorted({str(run.about.get(key)) for run in shards})
        if len(values) > 1:
            what = key.replace("_", " ")
            notes.append(
                Message("notes.merged_unlike", {"what": what, "values": ", ".join(values)})
            )
    return notes


def _distinct(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    distinct: list[dict[str, Any]] = []
    for record in records:
        if record not in distinct:
            distinct.append(record)
    return distinct
