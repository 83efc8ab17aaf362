"""Small parts, joined into large ones: every table and map stays as it is."""

import os
import shutil

import pytest

from camlucida.core.errors import UsageError
from camlucida.runs import Run, execute, rewrite
from camlucida.runs import run as runs
from camlucida.runs.rewrite import compact
from tests.support.cohorts import content, files, write_cohort
from tests.support.models_on_disk import write_image


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(runs, "PART", 2)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compact")
    cohort = write_cohort(folder / "cohort", films=9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "PART", 2)
        execute(cohort, folder / "run", batch_size=2)
    return folder


@pytest.fixture
def copy(run, tmp_path):
    shutil.copytree(run / "run", tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize(("items", "parts"), [(100, 1), (4, 3), (1, 5)])
def test_content_stays_and_parts_are_fewer(run, copy, items, parts):
    before = content(run / "run")
    done = compact(copy, items)
    assert (done.before, done.after) == (5, parts)
    assert content(copy) == before
    assert len(list(copy.glob("maps/*"))) == parts
    (copy / "ledger.sqlite").unlink()  # the parts still say what the ledger held
    lost = content(copy)
    assert [item for item in lost["items"] if item[3] == "done"] == [
        item for item in before["items"] if item[3] == "done"
    ]
    assert lost["maps"] == before["maps"]


def test_a_compacted_run_goes_on(run, copy, tmp_path):
    compact(copy)
    shutil.copytree(run / "cohort", tmp_path / "cohort")
    film = run / "cohort/films/0.png"
    old = film.read_bytes()
    try:
        write_image(film, 50)
        execute(run / "cohort/cohort.toml", copy, batch_size=2, resume=True)
        execute(run / "cohort/cohort.toml", tmp_path / "new", batch_size=1)
    finally:
        film.write_bytes(old)
    one, other = Run.open(copy), Run.open(tmp_path / "new")
    assert [entry.identity for entry in one.entries] == [entry.identity for entry in other.entries]
    assert one.counts["done"] == 8


def test_an_end_before_any_write_leaves_the_run_whole(run, copy, monkeypatch):
    before = content(run / "run")
    for step in range(12):
        steps = iter(range(100))

        def dying(*arguments, step=step, steps=steps, replace=os.replace):
            if next(steps) == step:
                raise KeyboardInterrupt
            return replace(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", dying)
            try:
                compact(copy, 4)
            except KeyboardInterrupt:
                assert content(copy) == before
            else:
                break
    assert step > 3
    assert content(copy) == before
    assert not [name for name in files(copy) if ".camlucida" in name]


def test_a_damaged_part_and_what_is_no_run_are_refused(copy, tmp_path):
    with pytest.raises(UsageError, match="is not the folder of a run"):
        compact(tmp_path / "none")
    (copy / "meta/part-00002.parquet").write_bytes(b"")
    with pytest.raises(UsageError, match=r"part-00002.parquet is missing or damaged .*--resume"):
        compact(copy)
    assert rewrite.ITEMS > runs.PART
