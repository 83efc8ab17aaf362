"""Drives the workers of one model: bounded work in flight, retries, quarantine, and the ledger.

All decisions and all writing are here, in one thread. A part goes through these steps: its images
on which workers died again and again are tried alone; the others are computed in batches; the part
is written; the ledger names it.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

from camlucida.core.errors import CamlucidaError
from camlucida.core.failures import Failure
from camlucida.datasets.cohort import CohortImage
from camlucida.runs.compute import ItemResult, item_identity
from camlucida.runs.executors import Executor, Task, TaskEnd
from camlucida.runs.folder import RunFolder
from camlucida.runs.identity import Recipe, file_sha256
from camlucida.runs.items import FinishedItem, Key, State
from camlucida.runs.keyed import keyed_result
from camlucida.runs.ledger import Ledger
from camlucida.runs.parts import Digests, write_part
from camlucida.runs.resume import DEATHS
from camlucida.runs.slots import Slot, slices
from camlucida.runs.storage import RunStore


@dataclass
class _Part:
    """A part on its way.

    Attributes:
        number: it should have.
        images: that are pending.
        deaths: how often a worker died on it.
        alone: id of an image that is to be tried alone → how often a worker died on it.
        trials: images whose trial has not ended.
        given_up: results of images on which workers died too often.
        tried: the trials have ended, and the batches were begun again.
    """

    number: int
    images: list[CohortImage]
    deaths: int
    alone: dict[str, int]
    trials: set[str] = field(default_factory=set)
    given_up: list[ItemResult] = field(default_factory=list)
    tried: bool = False

    @property
    def left(self) -> list[CohortImage]:
        """The images that are not given up."""
        gone = {result.image.id for result in self.given_up}
        return [image for image in self.images if image.id not in gone]


class Driver:
    """Computes what is pending of one model.

    Args:
        folder: of the run.
        ledger: of the run, open for writing.
        executor: with workers of the model.
        name: of the model in the run.
        recipe: of its maps.
        batch_size: images in one forward pass, ≥ 1.
        last: number of the last slot of the run: other parts have higher numbers.
        store: of a run at an address: each part is uploaded once the ledger names it.
    """

    def __init__(
        self,
        folder: RunFolder,
        ledger: Ledger,
        executor: Executor,
        name: str,
        recipe: Recipe,
        batch_size: int,
        last: int,
        store: RunStore | None = None,
    ) -> None:
        self._folder = folder
        self._ledger = ledger
        self._executor = executor
        self._name = name
        self._recipe = recipe
        self._size = batch_size
        self._last = last
        self._store = store
        self._ready: deque[tuple[_Part, CohortImage | None]] = deque()
        self._running: dict[int, tuple[_Part, CohortImage | None]] = {}
        self._numbers = count()

    def run(self, slots: Iterable[Slot[CohortImage]], progress: Callable[[int], object]) -> None:
        """Compute what is pending.

        An interrupt, a full disk or workers that cannot begin are not counted as a death on the
        items in flight.

        Args:
            slots: of the model, in order.
            progress: called with the number of items that were done.

        Raises:
            CamlucidaError: no worker can work.
            OSError, sqlite3.Error: the run cannot be written.
        """
        parts = self._pending(slots)
        try:
            self._fill(parts)
            while self._running:
                for end in self._executor.wait():
                    progress(self._take(end))
                self._fill(parts)
        except (KeyboardInterrupt, OSError, sqlite3.Error, CamlucidaError):
            with suppress(sqlite3.Error):
                for part, _ in self._running.values():
                    self._ledger.spare(self._keys(part.images))
            raise

    # ---- what is to be done ---------------------------------------------------------------------

    def _pending(self, slots: Iterable[Slot[CohortImage]]) -> Iterator[_Part]:
        """What is left to do; a part's images are the same whatever was done before."""
        entries = {entry.key: entry for entry in self._ledger.entries(self._name)}
        for slot in slots:
            of_slot = [(image, entries[image.id, self._name]) for image in slot.images]
            waiting = [(image, entry) for image, entry in of_slot if entry.state == "pending"]
            if not waiting:
                continue
            images = [image for image, _ in waiting]
            deaths = max(entry.attempts for _, entry in waiting)
            alone = {image.id: entry.alone for image, entry in waiting if entry.attempts >= DEATHS}
            yield _Part(slot.number, images, deaths, alone)

    def _fill(self, parts: Iterator[_Part]) -> None:
        """Submit tasks while there is room, those of parts on their way first."""
        while len(self._running) < self._executor.room:
            if not self._ready:
                part = next(parts, None)
                if part is None:
                    return
                self._begin(part)
                continue
            self._submit(*self._ready.popleft())

    def _begin(self, part: _Part) -> None:
        """Make ready the trials of a part's doubtful images; without any, its batches."""
        for image in part.left:
            if image.id not in part.alone:
                continue
            if part.alone[image.id] >= DEATHS:
                part.given_up.append(self._died(image, part.alone[image.id]))
            else:
                part.trials.add(image.id)
                self._ready.append((part, image))
        if not part.trials:
            self._begin_batches(part)

    def _begin_batches(self, part: _Part) -> None:
        if part.alone and not part.tried:
            part.tried, part.deaths = True, 0
        self._ready.append((part, None))

    def _submit(self, part: _Part, alone: CohortImage | None) -> None:
        """Count an attempt, and submit the task: one image alone, or the batches of a part."""
        if alone is None:
            self._ledger.begin(self._keys(part.left))
            batches = tuple(tuple(batch) for batch in slices(part.left, self._size))
        else:
            self._ledger.alone((alone.id, self._name), True)
            batches = ((alone,),)
        task = Task(next(self._numbers), batches)
        self._running[task.number] = (part, alone)
        self._executor.submit(task)

    def _keys(self, images: Iterable[CohortImage]) -> list[Key]:
        return [(image.id, self._name) for image in images]

    # ---- how it ended ---------------------------------------------------------------------------

    def _take(self, end: TaskEnd) -> int:
        """Go on with the part of a task that has ended; returns how many items are done by it."""
        part, alone = self._running[end.task.number]
        done = 0
        if alone is not None:
            self._take_trial(part, alone, died=end.results is None)
        elif end.results is not None:
            self._write(part, end.results)
            done = len(part.images)
        else:
            done = self._take_death(part)
        del self._running[end.task.number]  # not before: an interrupt spares what is in here
        return done

    def _take_trial(self, part: _Part, image: CohortImage, *, died: bool) -> None:
        """The result of a trial is thrown away, so that the batches stay what they were."""
        if died:
            part.alone[image.id] += 1
        else:
            self._ledger.alone((image.id, self._name), False)
        if died and part.alone[image.id] < DEATHS:
            self._ready.append((part, image))
            return
        if died:
            part.given_up.append(self._died(image, part.alone[image.id]))
        part.trials.discard(image.id)
        if not part.trials:
            self._begin_batches(part)

    def _take_death(self, part: _Part) -> int:
        """Try again; after :data:`~camlucida.runs.resume.DEATHS` deaths, image by image."""
        part.deaths += 1
        if part.deaths < DEATHS:
            self._ready.append((part, None))
        elif not part.tried:
            part.alone = {image.id: 0 for image in part.left}
            self._begin(part)
        else:
            part.given_up += [self._died_in_batch(image, part.deaths) for image in part.left]
            self._write(part, [])
            return len(part.images)
        return 0

    def _died(self, image: CohortImage, deaths: int) -> ItemResult:
        what = f"{image.path}: the process died {deaths} times while it worked on this image alone"
        return self._failed(image, Failure(image.id, "died", what))

    def _died_in_batch(self, image: CohortImage, deaths: int) -> ItemResult:
        what = (
            f"{image.path}: the process died {deaths} times while it worked on a part with this "
            "image, but not on one of its images alone"
        )
        fix = "memory may be short: go on with --resume --batch-size 1"
        return self._failed(image, Failure(image.id, "died", what, fix))

    def _failed(self, image: CohortImage, failure: Failure) -> ItemResult:
        sha256 = file_sha256(image.path) or ""
        return ItemResult(image, item_identity(self._recipe, image, sha256), failure=failure)

    def _write(self, part: _Part, results: Sequence[ItemResult]) -> None:
        """From results to the ledger."""
        provenance: dict[str, str] = {}
        for result in results:
            provenance |= result.provenance
        items = list(_finished([*results, *part.given_up], self._name))
        stored = [result for result in results if result.predicted]
        number, digests = None, None
        if stored:
            number = self._ledger.part_number(part.number, self._last)
            digests = _write_results(self._folder, number, stored, _record(items, provenance))
        self._ledger.finish(number, items, provenance, digests)
        if self._store is not None and number is not None:
            self._store.push_part(number)


def _record(items: Iterable[FinishedItem], provenance: Mapping[str, str]) -> dict[str, Any]:
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
        result = keyed_result(result)
        state: State = "done" if result.failure is None else "failed"
        first = row if result.predicted else None
        key = (result.image.id, model)
        yield FinishedItem(key, state, result.identity, first, result.failure, result.missing)
        row += len(result.predictions)
