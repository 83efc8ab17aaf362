"""A run whose images lie in a store, and which is written to one."""

import shutil
from threading import Barrier, Thread

import fsspec
import pytest

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.io.storage import at_once, copy_path
from camlucida.runs import Run, execute, find_runs
from camlucida.runs import run as runs
from camlucida.runs.folder import one_writer
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
    """Uploads fail after so many; one part goes up at a time, so that it is known which."""
    monkeypatch.setattr(at_once, "AT_ONCE", 1)
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


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_part_whose_upload_fails_is_done_again(cohort, whole, store, forget, elsewhere):
    """Whatever parts after it went up meanwhile."""
    upload = type(store).put_file

    def put(self, path, address, **options):
        if "part-00001" in address:
            raise ConnectionError("the line is gone")
        return upload(self, path, address, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(store), "put_file", put)
        with pytest.raises(CamlucidaError, match=r"the line is gone.*--resume"):
            run(cohort)
    assert "ledger.sqlite" not in names_at(AT)
    if elsewhere:
        forget()
    run(cohort, resume=True)
    forget()
    assert files(Run.open(AT).folder.root) == files(whole)


def test_parts_go_up_beside_each_other(cohort, whole, store, monkeypatch, forget):
    """The first waits for the second: one after the other, neither would end."""
    both = Barrier(2, timeout=60)
    upload = type(store).put_file

    def put(self, path, address, **options):
        if "/maps/part-" in address:
            both.wait()
        return upload(self, path, address, **options)

    monkeypatch.setattr(type(store), "put_file", put)
    run(cohort)
    forget()
    assert files(Run.open(AT).folder.root) == files(whole)


def test_files_of_others_beside_the_parts_stay(cohort, store, forget):
    others = ("maps/notes.txt", "maps/part-00009.safetensors.backup", "meta/sub/part-00009.parquet")
    for name in others:
        store.pipe_file(f"{AT}/{name}", b"of another")
    run(cohort)
    forget()
    run(cohort, resume=True)
    assert {*others} <= names_at(AT)
    assert not any((Run.open(AT).folder.root / name).exists() for name in others)


def test_a_run_that_is_there_is_left_alone(cohort):
    """Another process may be reading it."""
    run(cohort)
    root = Run.open(AT).folder.root
    before = {path: path.stat().st_ino for path in root.rglob("*") if path.is_file()}
    Run.open(AT)
    assert before == {path: path.stat().st_ino for path in root.rglob("*") if path.is_file()}


def test_of_two_that_fetch_one_run_at_once_one_does_the_work(cohort, whole, store, monkeypatch):
    """A half of one could stand beside a half of the other."""
    run(cohort)
    shutil.rmtree(RunStore(AT).folder.root)
    download, fetched = type(store).get_file, []
    second = Thread(target=lambda: RunStore(AT).pull())

    def get(self, address, path, **options):
        fetched.append(address.removeprefix(f"{AT}/"))
        if len(fetched) == 1:
            second.start()
        return download(self, address, path, **options)

    monkeypatch.setattr(type(store), "get_file", get)
    RunStore(AT).pull()
    second.join()
    parts = [name for name in fetched if "part-" in name]
    assert sorted(parts) == sorted(name for name in names_at(AT) if "part-" in name)
    assert files(RunStore(AT).folder.root) == files(whole)


def test_a_run_that_is_being_written_is_not_changed(cohort):
    run(cohort)
    folder = RunStore(AT).folder
    folder.part("part-00001")["maps"].unlink()
    with one_writer(folder), pytest.raises(UsageError, match="another process is writing"):
        RunStore(AT).pull()
    assert RunStore(AT).pull()


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
