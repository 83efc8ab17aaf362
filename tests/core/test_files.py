import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlucida.core.files import (
    LONGEST,
    slug,
    unique,
    without_dots,
    write_bytes,
    write_json,
    write_toml,
)


def test_labels_become_file_names_with_underscores():
    assert slug("Pleural Effusion") == "Pleural_Effusion"
    assert slug("age ↑") == "age_up"
    assert slug("age ↓") == "age_down"
    assert slug("A − B") == "A_minus_B"
    assert slug("../../etc/passwd") == "etc_passwd"
    assert slug("???") == "x"


@given(st.text())
def test_a_slug_is_one_safe_path_part(text):
    part = slug(text)
    assert part
    assert "/" not in part
    assert "\0" not in part
    assert part not in (".", "..")
    assert len(part.encode()) <= LONGEST


def test_long_names_that_differ_at_the_end_stay_apart():
    first, second = (slug("x" * 100 + end) for end in "ab")
    assert first != second
    assert slug("x" * LONGEST) == "x" * LONGEST


@given(st.lists(st.text("aA_2 .", max_size=4)))
def test_unique_names_differ_as_file_names(names):
    taken: set[str] = set()
    given = [unique(name, taken) for name in names]
    assert len({slug(name).casefold() for name in given}) == len(names)
    assert given[:1] == names[:1]


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"kept": True})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"x": float("nan")})
    with pytest.raises(TypeError):
        write_bytes(path, "text, not bytes")  # type: ignore[arg-type]
    assert json.loads(path.read_text()) == {"kept": True}
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]


def test_toml_is_read_as_it_was_written(tmp_path):
    value = {
        "name": 'a "b" \\ \x7f \n 年',
        "args": {"head": ["Linear 2 1", "ReLU"], "a b": True, "nested": {}},
        "sizes": (1, 2.5),
        "models": [{"card": "m.toml", "seed": 3}],
    }
    write_toml(tmp_path / "a.toml", value | {"none": None})
    assert tomllib.loads((tmp_path / "a.toml").read_text("utf-8")) == value | {"sizes": [1, 2.5]}


def test_one_file_has_one_name(tmp_path, monkeypatch):
    (tmp_path / "films").mkdir()
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere/deep")
    monkeypatch.chdir(tmp_path)
    film = tmp_path / "films/a.png"
    assert without_dots(film) == film
    assert without_dots(tmp_path / "run_1/../films/../films/a.png") == film
    assert without_dots(Path("films/a.png")) == film
    assert without_dots(tmp_path / "link/b.png") == tmp_path / "link/b.png"  # a link stays
    assert (
        without_dots(tmp_path / "link/../b.png") == tmp_path / "elsewhere/b.png"
    )  # as the system goes
