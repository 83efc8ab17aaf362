"""How much a watch may keep: what is counted, and how often."""

from camlucida.workflows.dicom_watch import Room, room


def test_what_is_added_is_counted(tmp_path):
    (tmp_path / "a").write_bytes(bytes(400))
    limited = Room(tmp_path, 1000)
    assert limited.refusal(600) is None
    assert limited.refusal(601) is not None
    (tmp_path / "image").mkdir()
    (tmp_path / "image/b").write_bytes(bytes(500))
    limited.add(tmp_path / "image")
    assert limited.refusal(100) is None
    assert limited.refusal(101).values["used"] == 900


def test_nothing_is_refused_for_files_that_were_taken_away(tmp_path):
    (tmp_path / "a").write_bytes(bytes(900))
    limited = Room(tmp_path, 1000)
    assert limited.refusal(200) is not None
    (tmp_path / "a").unlink()
    assert limited.refusal(200) is None
    limited.add(tmp_path / "gone")
    assert limited.refusal(1000) is None


def test_the_folder_is_not_read_again_for_each_image(tmp_path, monkeypatch):
    """It was: the time of a night's images grew with their square."""
    counted = []
    sizes = room._sizes
    monkeypatch.setattr(room, "_sizes", lambda path: counted.append(path) or sizes(path))
    limited = Room(tmp_path, 10**9)
    for number in range(200):
        assert limited.refusal(10) is None
        path = tmp_path / str(number)
        path.write_bytes(bytes(10))
        limited.add(path)
    assert counted.count(tmp_path) <= 9  # each time twice as many
    assert limited.refusal(10**9).values["used"] == 2000


def test_files_that_others_add_are_counted_in_time(tmp_path):
    limited = Room(tmp_path, 1000)
    assert limited.refusal(10) is None
    (tmp_path / "of another").write_bytes(bytes(995))
    (tmp_path / "a").write_bytes(bytes(1))
    limited.add(tmp_path / "a")
    assert limited.refusal(10) is not None
