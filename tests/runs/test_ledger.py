"""The ledger and the parts by themselves: what a commit is, worked out by hand."""

import sqlite3

import numpy as np
import pytest

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message
from camlucida.runs.folder import FORMAT, RunFolder, one_writer
from camlucida.runs.items import FinishedItem, MissingMap
from camlucida.runs.ledger import Ledger
from camlucida.runs.parts import part_name, read_part, write_part
from camlucida.runs.resume import recover
from tests.support.disk import SYNCHRONOUS

KEYS = [("a", "net"), ("b", "net"), ("c", "net")]


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.make()
    return folder


@pytest.fixture
def ledger(folder):
    with Ledger.write(folder.ledger) as ledger:
        ledger.set_cohort(KEYS)
        yield ledger


def states(ledger):
    return {entry.image: (entry.state, entry.part, entry.row) for entry in ledger.entries()}


def some_part(folder, number, images):
    rows = [
        {"image": image, "model": "net", "grid": [2, 2], "score": i / 3}
        for i, image in enumerate(images)
    ]
    maps = [np.full((2, 2), -i - 0.5, np.float32) for i in range(len(images))]
    answers = [
        {"image": image, "model": "net", "label": label, "logit": 0.1}
        for image in images
        for label in "xy"
    ]
    return write_part(folder, number, rows, maps, answers, {"items": [], "provenance": {}})


def test_items_begin_pending_in_the_order_given(ledger):
    assert [(e.key, e.position, e.state, e.attempts) for e in ledger.entries()] == [
        (key, i, "pending", 0) for i, key in enumerate(KEYS)
    ]


def test_settling_is_one_transaction(ledger):
    ledger.begin(KEYS[:2])
    ledger.finish(
        1,
        [
            FinishedItem(KEYS[0], "done", "id", 0),
            FinishedItem(KEYS[1], "failed", "", None, Failure("b", "image", "b: no image")),
        ],
        {"h": "{}"},
    )
    assert states(ledger) == {
        "a": ("done", 1, 0),
        "b": ("failed", None, None),
        "c": ("pending", None, None),
    }
    assert (ledger.parts(), ledger.next_part(), ledger.provenance()) == ({1: 1}, 2, {"h": "{}"})
    with pytest.raises(sqlite3.IntegrityError):
        ledger.finish(2, [FinishedItem(KEYS[2], "finished", "id", 0)], {})
    assert ledger.parts() == {1: 1}
    assert states(ledger)["c"] == ("pending", None, None)


def test_a_number_is_never_given_twice(ledger):
    ledger.finish(1, [FinishedItem(KEYS[0], "done", "id", 0)], {})
    ledger.rewrite([1], 2, {KEYS[0]: 0}, {})
    ledger.rewrite([2], None, {}, {})
    assert (ledger.parts(), ledger.next_part()) == ({}, 3)


def test_what_leaves_the_cohort_keeps_what_it_has(ledger):
    ledger.finish(1, [FinishedItem(KEYS[0], "done", "id", 0)], {})
    ledger.set_cohort([KEYS[2], KEYS[1]])
    assert [(e.image, e.position) for e in ledger.entries()] == [("c", 0), ("b", 1), ("a", None)]
    ledger.set_cohort(KEYS)
    assert states(ledger)["a"] == ("done", 1, 0)


def test_a_part_comes_back_as_it_was_written(folder):
    some_part(folder, 1, "ab")
    rows, maps, answers = read_part(folder, 1)
    assert [(row["image"], row["score"]) for row in rows] == [("a", 0.0), ("b", 1 / 3)]
    assert [values.tolist() for values in maps] == [
        [[-0.5] * 2] * 2,
        [[-1.5] * 2] * 2,
    ]  # signed, exact
    assert [(row["image"], row["label"]) for row in answers] == [
        ("a", "x"),
        ("a", "y"),
        ("b", "x"),
        ("b", "y"),
    ]


def test_a_part_without_a_map_is_a_part(folder):
    write_part(folder, 1, [], [], [{"image": "a", "model": "net", "label": "x"}], {})
    assert [len(result) for result in read_part(folder, 1)] == [0, 0, 1]


def test_unreferenced_files_go_and_lost_parts_are_computed_again(folder, ledger):
    digests = some_part(folder, 1, "a")
    ledger.finish(1, [FinishedItem(KEYS[0], "done", "id", 0)], {}, digests)
    digests = some_part(folder, 2, "b")
    ledger.finish(2, [FinishedItem(KEYS[1], "done", "id", 0)], {}, digests)
    some_part(folder, 3, "c")  # killed before the ledger knew
    (folder.root / "maps/.camlucida-xyz").write_bytes(b"half")
    folder.part(part_name(2))["meta"].unlink()
    recover(folder, ledger)
    assert states(ledger) == {
        "a": ("done", 1, 0),
        "b": ("pending", None, None),
        "c": ("pending", None, None),
    }
    names = sorted(path.relative_to(folder.root).as_posix() for path in folder.root.glob("*/*"))
    assert names == [
        "maps/part-00001.safetensors",
        "meta/part-00001.parquet",
        "predictions/part-00001.parquet",
    ]


@pytest.mark.parametrize("kind", ["maps", "meta", "predictions"])
@pytest.mark.parametrize("left", [0, 50, None])  # None: one bit flipped
def test_a_part_that_was_cut_short_or_changed_is_computed_again(folder, ledger, kind, left):
    digests = some_part(folder, 1, "a")
    missing = MissingMap("top1", "gradcam", "layer4", "no_evidence", "no gradient")
    item = FinishedItem(KEYS[0], "done", "id", 0, missing=(missing,))
    ledger.begin(KEYS[:1])
    ledger.finish(1, [item], {}, digests)
    assert recover(folder, ledger) == []
    path = folder.part(part_name(1))[kind]
    data = path.read_bytes()
    flipped = data[:60] + bytes([data[60] ^ 1]) + data[61:]
    path.write_bytes(flipped if left is None else data[:left])
    assert recover(folder, ledger) == [
        Message("notes.lost_parts", {"count": 1, "names": "part-00001"})
    ]
    entry = ledger.entries()[0]
    assert (entry.state, entry.attempts, entry.part, entry.missing) == ("pending", 0, None, ())
    assert not list(folder.root.glob("*/*"))


def test_files_of_others_stay(folder, ledger):
    others = [
        folder.root / name
        for name in ("maps/atlas.png", "predictions/mine.csv", "meta/part-1.parquet", "maps/more/x")
    ]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    recover(folder, ledger)
    assert all(path.is_file() for path in others)


def test_an_unfinished_file_is_never_seen_under_its_name(folder, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        some_part(folder, 1, "a")
    assert not list(folder.root.glob("*/*"))


def test_a_users_transactions_survive_a_power_cut(folder, monkeypatch):
    """The suite itself does not wait for the disk."""
    monkeypatch.setattr("camlucida.runs.ledger.SYNCHRONOUS", SYNCHRONOUS)
    with Ledger.write(folder.ledger) as ledger:
        assert ledger._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_one_writer(folder):
    with one_writer(folder), pytest.raises(UsageError, match="another process"), one_writer(folder):
        pass
    with one_writer(folder):
        pass


def test_a_closed_ledger_is_one_file(folder):
    with Ledger.write(folder.ledger) as ledger:
        ledger.set_cohort(KEYS)
    assert [path.name for path in folder.root.glob("ledger*")] == ["ledger.sqlite"]
    with Ledger.read(folder.ledger) as ledger:
        assert len(ledger.entries()) == 3


def test_a_damaged_or_later_ledger_is_one_line(folder):
    folder.ledger.write_bytes(b"not a database, and long enough to be taken for one" * 20)
    for opening in (Ledger.read, Ledger.write):
        with pytest.raises(UsageError, match="cannot be read as a ledger"):
            opening(folder.ledger)
    folder.ledger.write_bytes(b"")
    with pytest.raises(UsageError, match=r"empty ledger .*--resume"):
        Ledger.read(folder.ledger)
    folder.ledger.unlink()
    for number, fix in ((99, "update"), (FORMAT - 1, "run it again")):
        with sqlite3.connect(folder.ledger) as db:
            db.execute(f"PRAGMA user_version = {number}")
        db.close()
        for opening in (Ledger.read, Ledger.write):
            with pytest.raises(UsageError, match=f"format {number},.*{fix}"):
                opening(folder.ledger)


def test_failures_and_missing_maps_come_back_as_data(ledger):
    failure = Failure("a", "image", "a.png: not an image", "give a PNG")
    missing = (
        MissingMap("truth", "gradcam", "layer4", "target", "no true mask", "draw one"),
        MissingMap("truth", "layercam", "layer4", "target", "no true mask", "draw one"),
        MissingMap("truth", "eigencam", "layer4", "no_evidence", "all is 0"),
    )
    ledger.finish(None, [FinishedItem(KEYS[0], "failed", "", None, failure)], {})
    ledger.finish(1, [FinishedItem(KEYS[1], "done", "id", 0, missing=missing)], {})
    first, second, third = ledger.entries()
    assert (first.failure, first.missing, first.note) == (failure, (), None)
    assert (second.failure, second.missing) == (None, missing)
    assert str(second.note) == (
        "gradcam at layer4, layercam at layer4: no true mask (draw one); "
        "eigencam at layer4: all is 0"
    )
    assert (third.failure, third.missing) == (None, ())
