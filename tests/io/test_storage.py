"""Objects of a store: their addresses, their local copies, and what a store refuses."""

from threading import Thread

import fsspec
import pytest

from camlucida.core.errors import ImageError, UsageError
from camlucida.io import expand_paths, read_image
from camlucida.io.storage import address_of, alone, copy_path, expected, fetch, fetched, normal
from camlucida.io.volumes import expand_volumes
from tests.support.models_on_disk import write_image
from tests.support.storage import RefusingStore


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()


@pytest.fixture
def film(store, tmp_path):
    """The address of a film."""
    write_image(tmp_path / "a.png", 1)
    store.put_file(str(tmp_path / "a.png"), "memory://bucket/films/a.png")
    return "memory://bucket/films/a.png"


@pytest.fixture
def refusing():
    fsspec.register_implementation("refusing", RefusingStore, clobber=True)
    return RefusingStore


def test_a_film_is_read_from_its_address(film, tmp_path):
    (path,), errors = expand_paths([film])
    assert not errors
    assert not path.exists()  # fetched when it is read, not when it is listed
    image = read_image(path)
    assert image.id == "a"
    assert image.source["sha256"] == read_image(tmp_path / "a.png").source["sha256"]


@pytest.mark.parametrize("address", ["memory://bucket", "memory://bucket/films/*.png"])
def test_folders_and_globs_give_images_alone(film, store, address):
    store.pipe_file("memory://bucket/films/notes.txt", b"x")
    store.pipe_file("memory://bucket/films/.hidden.png", b"x")
    store.pipe_file("memory://bucket/films/IM0001", bytes(128) + b"DICM")
    store.pipe_file("memory://bucket/films/README", b"x")
    paths, _ = expand_paths([address])
    assert [path.name for path in paths if path.suffix] == ["a.png"]
    assert [path.name for path in paths if not path.suffix] == ["IM0001"][: "*" not in address]


def test_a_copy_is_fetched_again_only_when_the_object_has_changed(film, store, monkeypatch):
    path = fetch(expected(film))
    fetches = []
    download = type(store).get_file
    monkeypatch.setattr(type(store), "get_file", lambda *args: fetches.append(1) or download(*args))
    fetch(expected(film))
    assert not fetches
    store.pipe_file(film, b"another film")
    fetch(expected(film))
    assert (len(fetches), path.read_bytes()) == (1, b"another film")


def test_of_two_that_fetch_an_object_at_once_one_waits_for_the_other(film, store, monkeypatch):
    """Else the copy of one could stand beside the note of the other, and stay stale for ever."""
    fetches = []
    download = type(store).get_file
    second = Thread(target=lambda: fetch(copy_path(film)))

    def get(*arguments):
        fetches.append(1)
        if len(fetches) == 1:
            second.start()
        return download(*arguments)

    monkeypatch.setattr(type(store), "get_file", get)
    path = fetch(expected(film))
    second.join()
    assert (len(fetches), path.is_file()) == (1, True)


def test_an_object_is_held_by_one_process_at_a_time(store, monkeypatch):
    monkeypatch.setattr("camlucida.io.storage.locks.PATIENCE", 0)
    again = pytest.raises(UsageError, match=r"fetching memory://a for an hour \(end it\)")
    with alone("memory://a"), again, alone("memory://a"):
        pass
    with alone("memory://a"), alone("memory://b"):
        pass
    with alone("memory://a"):
        pass


def test_an_object_that_is_gone_is_one_line(store):
    with pytest.raises(ImageError, match=r"memory://bucket/b.png cannot be read: no such bucket"):
        read_image(expected("memory://bucket/b.png"))
    _, errors = expand_paths(["memory://bucket/films"])
    assert str(errors[0]) == (
        "memory://bucket/films cannot be read: no such bucket, folder or object "
        "(correct the address)"
    )


def test_a_folder_is_fetched_whole(film, store):
    store.pipe_file("memory://bucket/films/b/c.nii.gz", b"volume")
    folder = fetched("memory://bucket/films")
    assert sorted(path.name for path in folder.rglob("*.*")) == ["a.png", "c.nii.gz"]
    (volume,), _ = expand_volumes(["memory://bucket/films"])
    assert volume.read_bytes() == b"volume"


def test_an_interrupted_download_leaves_no_copy(film, store, monkeypatch):
    def cut(_store, _address, target):
        with open(target, "wb") as file:
            file.write(b"half")
        raise ConnectionError("the line is gone")

    monkeypatch.setattr(type(store), "get_file", cut)
    path = expected(film)
    with pytest.raises(ImageError, match="ConnectionError: the line is gone"):
        fetch(path)
    assert list(path.parent.iterdir()) == []


def test_what_a_store_refuses_is_one_line(refusing, store):
    with pytest.raises(UsageError, match=r"refusing://bucket cannot be read: access is refused"):
        fetched("refusing://bucket")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("zip3://bucket/a.png", "no driver knows zip3://"),
        ("s3://user:secret@bucket/a.png", "an address with s3:// holds a password"),
        ("s3://bucket/../a.png", "names no object"),
        ("s3://", "names no object"),
    ],
)
def test_addresses_that_are_refused(address, message):
    with pytest.raises(UsageError, match=message) as raised:
        fetched(address)
    assert "secret" not in str(raised.value)


def test_a_missing_driver_names_its_package(monkeypatch):
    def missing(_scheme):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(UsageError, match=r"driver of s3:// is not installed.*pip install s3fs"):
        fetched("s3://bucket/a.png")


def test_a_copy_knows_its_address_on_every_machine(tmp_path):
    path = copy_path("s3://bucket/films/a.png")
    assert address_of(path) == "s3://bucket/films/a.png"
    elsewhere = tmp_path / "camlucida/object-copies/s3/bucket/films/a.png"
    assert address_of(elsewhere) == "s3://bucket/films/a.png"


def test_a_file_address_is_the_file(tmp_path):
    write_image(tmp_path / "a.png", 1)
    address = f"file://{tmp_path}/a.png"
    assert normal(address) == address
    assert expand_paths([address]) == ([tmp_path / "a.png"], [])
    assert fetched(address) == tmp_path / "a.png"
