"""A list in a file that is whole at every instant."""

import json

import pytest

from camlucida.core.files import write_json
from camlucida.core.growing_list import GrowingList
from camlucida.core.messages import Message

ITEMS = [{"a": [1, 2.5], "text": "a\n]\nb é"}, {}, [], "x", None, {"note": Message("a.b")}]


@pytest.fixture
def at_once(monkeypatch):
    """Additions are written however long the last writing took."""
    monkeypatch.setattr("camlucida.core.growing_list.REST", 0)


@pytest.mark.usefixtures("at_once")
def test_it_is_the_whole_list_after_every_addition(tmp_path):
    growing = GrowingList(tmp_path / "a.json")
    for end in range(len(ITEMS)):
        growing.add(ITEMS[end : end + 1])
        write_json(tmp_path / "b.json", ITEMS[: end + 1])
        expected = json.loads((tmp_path / "b.json").read_text())
        assert json.loads(growing.path.read_text()) == expected


def test_each_field_has_its_line(tmp_path):
    growing = GrowingList(tmp_path / "a.json")
    growing.add([{"grid": [7, 7], "boxes": [{"x": 1}]}, {}])
    lines = ["[", "  {", '    "grid": [7, 7],', '    "boxes": [{"x": 1}]', "  },", "  {}", "]", ""]
    assert growing.path.read_text() == "\n".join(lines)


@pytest.mark.usefixtures("at_once")
def test_nothing_and_several_at_once(tmp_path):
    growing = GrowingList(tmp_path / "a.json")
    for part in ([], [1], [], [2, 3], []):
        growing.add(part)
    write_json(tmp_path / "b.json", [1, 2, 3])
    assert growing.path.read_bytes() == (tmp_path / "b.json").read_bytes()


def test_an_older_file_is_replaced_by_the_first_addition(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[1, 2, 3]")
    growing = GrowingList(path)
    assert path.read_text() == "[1, 2, 3]"
    growing.add([4])
    assert json.loads(path.read_text()) == [4]


@pytest.mark.usefixtures("at_once")
def test_a_refused_item_or_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    growing = GrowingList(tmp_path / "a.json")
    growing.add([1])
    before = growing.path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        growing.add([2, float("nan")])

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("camlucida.core.growing_list.shutil.copyfileobj", full)
        with pytest.raises(OSError, match="No space"):
            growing.add([{"long": "item"}])
    assert growing.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [growing.path]
    growing.add([2])
    growing.close()
    assert json.loads(growing.path.read_text()) == [1, 2]


def test_a_long_list_is_not_written_for_each_item(tmp_path, monkeypatch):
    """The clock says that a writing takes a second: further items wait for twenty."""
    seconds = iter(range(100))
    monkeypatch.setattr("camlucida.core.growing_list.monotonic", lambda: next(seconds))
    growing = GrowingList(tmp_path / "a.json")
    lengths = []
    for item in range(30):
        growing.add([item])
        lengths.append(len(json.loads(growing.path.read_text())))
    assert len(set(lengths)) == 2
    growing.close()
    assert json.loads(growing.path.read_text()) == list(range(30))


def test_a_reader_finds_a_whole_document_and_the_file_is_replaced(tmp_path):
    growing = GrowingList(tmp_path / "a.json")
    growing.add([1])
    with growing.path.open() as reader:
        growing.add([2])
        growing.close()
        assert json.load(reader) == [1]
