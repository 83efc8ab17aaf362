"""Shards: joined, they are the run that was never divided; what does not fit is refused."""

import shutil
import sqlite3

import pytest

from camlucida.core.errors import UsageError
from camlucida.runs import Run, execute
from camlucida.runs import run as runs
from camlucida.runs.merge import merge
from camlucida.runs.slots import Shard, part_slots
from tests.support.cohorts import content, files, write_cohort
from tests.support.models_on_disk import write_image

TWO_MODELS = """
images = "films"
table = "labels.csv"
[columns]
groups = "sex"
[[models]]
card = "card.toml"
[[models]]
card = "card.toml"
name = "second"
[explain]
method = "layercam"
"""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(runs, "PART", 2)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    """A cohort of nine films and two models, its run, and the folder of its three shards."""
    folder = tmp_path_factory.mktemp("sharded")
    cohort = write_cohort(folder / "cohort", films=9)
    cohort.write_text(TWO_MODELS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "PART", 2)
        execute(cohort, folder / "whole", batch_size=2)
        for index in (1, 2, 3):
            compute(cohort, folder / "shards", Shard(index, 3))
    return folder


@pytest.fixture
def shards(sharded, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(sharded / "shards", tmp_path / "shards")
    return tmp_path / "shards"


def compute(cohort, folder, shard):
    return execute(cohort, folder / shard.folder, batch_size=2, shard=shard, resume=True)


def test_joined_shards_are_the_run_that_was_never_divided(sharded, tmp_path):
    run = merge([sharded / "shards"], tmp_path / "joined")
    assert run.counts == {"done": 16, "failed": 2, "pending": 0}
    assert files(tmp_path / "joined") == files(sharded / "whole")
    assert content(tmp_path / "joined") == content(sharded / "whole")
    about, whole = run.about, Run.open(sharded / "whole").about
    assert {key for key in about | whole if about.get(key) != whole.get(key)} == {"shards"}
    assert about["shards"] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["joined"]


def test_a_shard_is_a_run_of_its_own_images(sharded):
    run = Run.open(sharded / "shards/shard-00002-of-00003")
    images = [entry.image for entry in run.entries if entry.model == "card"]
    assert images == ["2", "3", "8"]
    assert set(run.predictions()["image"]) == {"2", "8"}


def test_a_shard_without_images_says_so_and_is_joined(tmp_path):
    cohort, both = write_cohort(tmp_path / "cohort", films=2, broken=None), tmp_path / "shards"
    first, second = (compute(cohort, both, Shard(index, 2)) for index in (1, 2))
    empty = (
        "this shard has no image: the cohort has 1 part of up to 2 images, and there are 2 shards"
    )
    assert empty not in map(str, first.notes)
    assert empty in map(str, second.notes)
    run = merge([both], tmp_path / "joined")
    assert run.counts["done"] == 2
    assert "notes.empty_shard" not in [note["code"] for note in run.about["notes"]]


def test_a_lost_ledger_of_a_shard_is_that_of_the_shard(shards):
    folder = shards / "shard-00002-of-00003"
    before = [entry.key for entry in Run.open(folder).entries]
    (folder / "ledger.sqlite").unlink()
    assert [entry.key for entry in Run.open(folder).entries] == before


def test_a_shard_that_computed_again_is_joined_as_well(tmp_path):
    """Its new parts have numbers that new parts of another shard may have, too."""
    cohort, both = write_cohort(tmp_path / "cohort", films=4, broken=None), tmp_path / "shards"
    for index in (1, 2):
        compute(cohort, both, Shard(index, 2))
    for number in range(4):
        write_image(tmp_path / f"cohort/films/{number}.png", 50 + number)
    for index in (1, 2):
        compute(cohort, both, Shard(index, 2))
    execute(cohort, tmp_path / "whole", batch_size=2)
    merge([both], tmp_path / "joined")
    assert content(tmp_path / "joined") == content(tmp_path / "whole")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: shutil.rmtree(f / "shard-00002-of-00003"), r"missing: 2/3 .*--shard i/n"),
        (lambda f: shutil.copytree(f / "shard-00002-of-00003", f / "b"), "or the same shard"),
        (
            lambda f: (f / "shard-00003-of-00003/cohort.parquet").write_bytes(b""),
            r"differ in cohort\.parquet",
        ),
        (
            lambda f: next(f.glob("shard-00003*/maps/*")).write_bytes(b""),
            r"part-0000\d.safetensors is missing or damaged .*--resume",
        ),
        (
            lambda f: pending(f / "shard-00001-of-00003"),
            r"1 items are still .*--shard 1/3 --resume",
        ),
        (
            lambda f: replace_text(f / "shard-00002-of-00003/run.json", '"0.', '"9.'),
            r"differ in .*versions",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(shards, tmp_path, spoil, message):
    spoil(shards)
    with pytest.raises(UsageError, match=message):
        merge([shards], tmp_path / "joined")
    assert [path.name for path in tmp_path.iterdir()] == ["shards"]


def test_a_run_that_is_no_shard_and_a_folder_in_use_are_refused(sharded, tmp_path):
    with pytest.raises(UsageError, match="is a run, but no shard"):
        merge([sharded / "whole"], tmp_path / "joined")
    with pytest.raises(UsageError, match="is not empty"):
        merge([sharded / "shards"], sharded / "whole")


def test_shards_hold_every_image_once():
    images = [f"i{number}" for number in range(11)]
    whole = {slot.number: slot.images for slot in part_slots([images, images], 3)[1]}
    shared = {}
    for index in range(1, 6):
        slots = part_slots([images, images], 3, Shard(index, 5))[1]
        assert not {slot.number for slot in slots} & set(shared)
        shared |= {slot.number: slot.images for slot in slots}
    assert shared == whole


@pytest.mark.parametrize("text", ["1", "4/3", "a/b", "-1/2", "1/0"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(text)


def pending(folder):
    with sqlite3.connect(folder / "ledger.sqlite") as db:
        db.execute("UPDATE items SET state = 'pending' WHERE image = '0' AND model = 'card'")
    db.close()


def replace_text(path, old, new):
    path.write_text(path.read_text().replace(old, new))
