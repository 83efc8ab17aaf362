"""A lost ledger comes back from the parts; a damaged part is noticed by whoever reads it."""

from shutil import copytree

import pytest

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.runs import Run
from camlucida.runs import run as runs
from camlucida.runs.items import FinishedItem, MissingMap
from tests.support.cohorts import content, write_cohort


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A cohort, and its finished run."""
    folder = tmp_path_factory.mktemp("restore")
    cohort = write_cohort(folder, films=5, broken=None)
    runs.execute(cohort, folder / "run", batch_size=2)
    return cohort, folder / "run"


@pytest.fixture
def copy(finished, tmp_path):
    cohort, run = finished
    return cohort, copytree(run, tmp_path / "run")


def delete(ledger):
    ledger.unlink()


def empty(ledger):
    ledger.write_bytes(b"")


def cut(ledger):
    ledger.write_bytes(ledger.read_bytes()[:5000])


def overwrite(ledger):
    ledger.write_bytes(b"no database at all" * 500)


def scramble(ledger):
    data = bytearray(ledger.read_bytes())
    data[4096:8192] = b"\xa5" * 4096
    ledger.write_bytes(data)


DAMAGES = [delete, empty, cut, overwrite, scramble]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_lost_ledger_is_restored_for_readers_and_by_resume(finished, copy, damage):
    cohort, run = copy
    damage(run / "ledger.sqlite")
    left = sorted(path.name for path in run.iterdir())
    reader = Run.open(run)
    assert reader.counts == {"done": 5, "failed": 0, "pending": 0}
    assert "notes.restored_ledger" in [note.code for note in reader.notes]
    assert reader.explanation(0).provenance  # its text is in the parts too
    assert sorted(path.name for path in run.iterdir()) == left  # a reader changes nothing
    outcome = runs.execute(cohort, run, batch_size=2, resume=True)
    assert "notes.restored_ledger" in [note.code for note in outcome.notes]
    whole = content(finished[1])
    assert content(run) == whole
    again = runs.execute(cohort, run, batch_size=2, resume=True)
    assert "notes.restored_ledger" not in [note.code for note in again.notes]


def test_nothing_is_computed_again_when_the_ledger_was_lost(copy, monkeypatch):
    cohort, run = copy
    (run / "ledger.sqlite").unlink()

    def process(self, batch):
        raise AssertionError("an item was computed again")

    monkeypatch.setattr("camlucida.runs.compute.Worker.process", process)
    assert runs.execute(cohort, run, batch_size=2, resume=True).counts["done"] == 5


def test_a_new_run_does_not_write_over_parts_without_a_ledger(copy):
    cohort, run = copy
    (run / "ledger.sqlite").unlink()
    with pytest.raises(UsageError, match="holds a run already"):
        runs.execute(cohort, run)


@pytest.mark.parametrize("kind", ["maps", "meta", "predictions"])
@pytest.mark.parametrize("change", ["flipped", "cut", "gone"])
def test_a_damaged_part_is_noticed_by_readers_and_computed_again(finished, copy, kind, change):
    cohort, run = copy
    (path,) = (run / kind).glob("part-*")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(data if change == "flipped" else data[:40])
    with pytest.raises(UsageError, match=rf"{path.name} is missing or damaged.*--resume"):
        Run.open(run).explanation(0)
    outcome = runs.execute(cohort, run, batch_size=2, resume=True)
    assert "notes.lost_parts" in [note.code for note in outcome.notes]
    assert content(run) == content(finished[1])


def test_a_damaged_part_restores_nothing(copy):
    _, run = copy
    (run / "ledger.sqlite").unlink()
    (path,) = (run / "meta").glob("part-*")
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    assert Run.open(run).counts == {"done": 0, "failed": 0, "pending": 5}


def test_what_a_part_says_of_an_item_is_the_item():
    missing = (MissingMap("truth", "gradcam", "layer4", "target", "no mask", "draw one"),)
    failure = Failure("a", "image", "a.png: not an image", "give a PNG")
    item = FinishedItem(("a", "net"), "failed", "0f", 3, failure, missing)
    assert FinishedItem.from_json(item.to_json()) == item
