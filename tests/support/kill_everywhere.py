"""Run, kill -9 at the n-th step, resume, compare; for every n.

It is a process of its own: it forks, and pytest may not. A step is the moment before every fsync,
every rename, every SQLite transaction and its commit, and every batch of images: what lies between
two of them changes nothing on the disk but the content of a temporary file.
"""

import gc
import os
import signal
import sys
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from shutil import copytree, rmtree

import pytest
import torch

from camlucida.runs import find_runs
from camlucida.runs import run as runs
from camlucida.runs.compute import Worker
from camlucida.runs.items import LedgerEntry
from camlucida.runs.ledger import Ledger
from tests.support.cohorts import content, files, write_cohort
from tests.support.disk import unsynchronised
from tests.support.models_on_disk import write_image

READ = 4
"""Of so many steps, one is followed by reading the run."""


def entries(out: Path) -> list[LedgerEntry]:
    """Every item: its state, and the part and row that hold it, however often it was tried."""
    with Ledger.read(out / "ledger.sqlite") as ledger:
        return [replace(entry, attempts=0, alone=0) for entry in ledger.entries()]


def die_at(step: int) -> None:
    """From now on this process is killed when it reaches a step."""
    seen = iter(range(1_000_000))

    def point() -> None:
        if next(seen) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(function):
        def stepping(*arguments, **options):
            point()
            return function(*arguments, **options)

        return stepping

    transaction = Ledger.transaction

    @contextmanager
    def stepping_transaction(self):
        point()
        with transaction(self):
            yield
            point()

    os.fsync, os.replace = before(os.fsync), before(os.replace)
    Worker.process = before(Worker.process)
    Ledger.transaction = stepping_transaction


def in_child(function) -> int:
    """The signal a child died of, 0 if it ended."""
    pid = os.fork()
    if pid == 0:
        function()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed_everywhere(cohort: Path, folder: Path, prepare) -> int:
    """For every step: ``prepare`` a folder, start, die there, resume, compare.

    The files and the ledger's entries must be those of an uninterrupted run. What a reader sees
    depends on them alone, and is compared at some of the steps.

    Returns:
        The number of steps.
    """
    prepare(folder / "whole")
    runs.execute(cohort, folder / "whole", batch_size=2, resume=True)
    whole = folder / "whole"
    wanted, wanted_files, wanted_entries = content(whole), files(whole), entries(whole)
    for step in count():
        out = folder / f"killed{step}"
        prepare(out)

        def run(step=step, out=out) -> None:
            die_at(step)
            runs.execute(cohort, out, batch_size=2, resume=True)

        code = in_child(run)
        if code == 0:
            return step
        assert code == -signal.SIGKILL, (step, code)
        if step % READ == 0 and out in find_runs(folder):
            content(out)  # every row that a reader sees has its map
        runs.execute(cohort, out, batch_size=2, resume=True)
        assert entries(out) == wanted_entries, f"killed at step {step}: another ledger"
        if step % READ == 0:
            assert content(out) == wanted, f"killed at step {step}: another result"
        assert files(out) == wanted_files, f"killed at step {step}: other files"
        assert not list(out.rglob(".camlucida-*"))
        rmtree(out)
    raise AssertionError("unreachable")


def main(folder: Path) -> None:
    """A new run with a broken image; then one that goes on after an image has changed."""
    torch.set_num_threads(1)
    # A child that looks through what was imported copies every page of it.
    gc.freeze()
    unsynchronised(pytest.MonkeyPatch())
    runs.PART = 2
    cohort = write_cohort(folder / "new", films=3, broken=1)
    print(killed_everywhere(cohort, folder / "new", lambda out: None))
    cohort = write_cohort(folder / "changed", films=3, broken=None)
    runs.execute(cohort, folder / "before", batch_size=2)
    write_image(folder / "changed/films/0.png", seed=99)
    print(
        killed_everywhere(cohort, folder / "changed", lambda out: copytree(folder / "before", out))
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
