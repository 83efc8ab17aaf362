"""A run whose images lie in a store, and which is written to one."""

import shutil

import fsspec
import pytest

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.io.storage import copy_path
from camlucida.runs import Run, execute, find_runs
from camlucida.runs import run as runs
from camlucida.runs.merge import merge
from camlucida.runs.slots import Shard
from camlucida.runs.storage import RunStore
from tests.cli.test_cli import run as command
from tests.support.cohorts import files, write_cohort
from tests.support.storage import names_at, put_folder

AT = "memory://bucket/runs/nih"
FILMS = "memory://bucket/films"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("stored") / "cohort", films=4, broken=None)


@pytest.fixture(scope="module")
def whole(cohort, tmp_path_factory):
    """The run in a folder."""
    out = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "PART", 2)
        execute(cohort, out, batch_size=2)
    return out


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "PART", 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()


@pytest.fixture
def forget(tmp_path):
    """The command goes on at another machine, which has no local copies."""
    return lambda: shutil.rmtree(tmp_path / "cache")


def run(cohort, **options):
    return execute(cohort, AT, batch_size=2, **options)


def cut_after(monkeypatch, store, uploads):
    """Uploads fail after so many."""
    upload, left = type(store).put_file, iter(range(uploads))

    def put(self, *arguments):
        if next(left, None) is None:
            raise ConnectionError("the line is gone")
        return upload(self, *arguments)

    monkeypatch.setattr(type(store), "put_file", put)


def test_a_run_at_an_address_is_that_of_a_folder(cohort, whole, forget):
    outcome = run(cohort)
    assert outcome.counts["done"] == 4
    assert names_at(AT) == {*files(whole), "ledger.sqlite", "run.json"}
    forget()
    opened = Run.open(AT)
    assert opened.counts == {"done": 4, "failed": 0, "pending": 0}
    assert files(opened.folder.root) == files(whole)
    assert opened.raw([0])[0].shape == Run.open(whole).raw([0])[0].shape


def test_a_run_in_the_store_is_not_overwritten(cohort):
    run(cohort)
    before = names_at(AT)
    with pytest.raises(UsageError, match=f"{AT} holds a run already"):
        run(cohort)
    assert names_at(AT) == before


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_interrupted_upload_is_resumed(cohort, whole, store, forget, elsewhere):
    with pytest.MonkeyPatch.context() as patch:
        cut_after(patch, store, 6)  # two tables, a part, and one file of the next
        with pytest.raises(CamlucidaError, match=r"cannot be written: ConnectionError.*--resume"):
            run(cohort)
    assert "ledger.sqlite" not in names_at(AT)
    if elsewhere:
        forget()
    run(cohort, resume=True)
    forget()
    assert files(Run.open(AT).folder.root) == files(whole)
    assert "ledger.sqlite" in names_at(AT)


def test_a_run_without_a_part_is_begun_anew_elsewhere(cohort, whole, store, forget):
    with pytest.MonkeyPatch.context() as patch:
        cut_after(patch, store, 2)
        with pytest.raises(CamlucidaError):
            run(cohort)
    forget()
    assert names_at(AT) == {"cohort.parquet", "run.json"}
    with pytest.raises(UsageError, match="there is no run at"):
        Run.open(AT)
    with pytest.raises(UsageError, match="holds a run already"):
        run(cohort)
    run(cohort, resume=True)
    assert files(Run.open(AT).folder.root) == files(whole)


def test_a_run_that_has_not_ended_can_be_read(cohort, store, forget, monkeypatch):
    with pytest.MonkeyPatch.context() as patch:
        cut_after(patch, store, 5)
        with pytest.raises(CamlucidaError):
            run(cohort)
    forget()
    opened = Run.open(AT)
    assert opened.counts == {"done": 2, "failed": 0, "pending": 2}
    assert [note.code for note in opened.notes][:1] == ["notes.restored_ledger"]


def test_another_machine_went_on(cohort, whole, forget, tmp_path):
    run(cohort)
    shutil.copytree(tmp_path / "cache", tmp_path / "first machine")
    name = next(iter(RunStore(AT).folder.root.glob("maps/*"))).name
    stale = tmp_path / "cache/camlucida/runs/memory/bucket/runs/nih/maps" / name
    stale.write_bytes(bytes(stale.stat().st_size))  # the same size, other bytes
    assert files(Run.open(AT).folder.root) == files(whole)


def test_images_are_fetched_by_the_items_that_need_them(cohort, tmp_path):
    put_folder(cohort.parent / "films", FILMS)
    put_folder(cohort.parent, "memory://bucket/cohort")
    text = cohort.read_text().replace('"films"', f'"{FILMS}"')
    text = text.replace('"labels.csv"', '"memory://bucket/cohort/labels.csv"')
    stored = cohort.with_name("stored.toml")
    stored.write_text(text)
    outcome = execute(stored, tmp_path / "run", batch_size=2, shard=Shard(1, 2))
    assert (outcome.counts["done"], outcome.failures) == (2, [])
    fetched = sorted(path.name for path in copy_path(FILMS).iterdir())
    assert fetched == ["0.png", "1.png"]
    explained = Run.open(tmp_path / "run").explanation(0)
    assert explained.scan.display is not None


def test_a_table_names_images_by_address(cohort, tmp_path):
    put_folder(cohort.parent / "films", FILMS)
    rows = [f"{FILMS}/{i}.png,1,0" for i in (0, 1, 9)]
    (cohort.parent / "addresses.csv").write_text("\n".join(["path,Nodule,Mass", *rows, ""]))
    listed = cohort.with_name("listed.toml")
    listed.write_text('table = "addresses.csv"\nmodel = "card.toml"\n')
    outcome = execute(listed, tmp_path / "run")
    assert outcome.counts == {"done": 2, "failed": 1, "pending": 0}
    assert f"{FILMS}/9.png cannot be read: no such" in str(outcome.failures[0])


def test_shards_are_merged_in_the_store(cohort, whole, forget):
    for index in (1, 2):
        shard = Shard(index, 2)
        execute(cohort, f"{AT}-shards/{shard.folder}", batch_size=2, shard=shard)
    forget()
    assert len(find_runs(f"{AT}-shards")) == 2
    merge([f"{AT}-shards"], AT)
    forget()
    assert files(Run.open(AT).folder.root) == files(whole)
    with pytest.raises(UsageError, match="is not empty"):
        merge([f"{AT}-shards"], AT)


def test_a_merge_whose_upload_fails_can_be_done_again(cohort, store, tmp_path, monkeypatch):
    for index in (1, 2):
        execute(cohort, tmp_path / f"shards/{index}", batch_size=2, shard=Shard(index, 2))
    with monkeypatch.context() as patch:
        cut_after(patch, store, 3)
        with pytest.raises(CamlucidaError, match=r"the line is gone.*then merge again"):
            merge([tmp_path / "shards"], AT)
    assert store.find(AT) == []
    assert merge([tmp_path / "shards"], AT).counts["done"] == 4


def test_commands_take_the_address_of_a_run(cohort, forget, capsys):
    assert command("run", str(cohort), "--out", AT, "--device", "cpu") == 0
    assert f"4 of 4 items done: {AT}" in capsys.readouterr().out
    forget()
    assert command("show", AT) == 0
    assert "done: 4" in capsys.readouterr().out
    assert command("show", "memory://bucket/nothing") == 2
    assert "there is no run at memory://bucket/nothing" in capsys.readouterr().err


def test_no_run_at_the_address():
    with pytest.raises(UsageError, match=r"there is no run|is not the folder of a run"):
        Run.open("memory://bucket/nothing")
