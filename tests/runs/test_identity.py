"""Identity: any change that could change a map changes it, and nothing else does."""

import ast
from dataclasses import fields, replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from camlucida.models import load_model
from camlucida.runs.identity import (
    COMPUTING,
    Recipe,
    changed,
    identity,
    make_recipe,
    network_digest,
)
from tests.support.models_on_disk import write_model
from tests.support.paths import REPOSITORY

WORDS = st.lists(st.text(max_size=5), min_size=1, max_size=3).map(tuple)
FIELDS = {
    **dict.fromkeys(("weights", "card", "network", "code"), st.text(max_size=8)),
    "targets": st.none() | st.lists(st.text(max_size=5) | st.integers(), max_size=3).map(tuple),
    **dict.fromkeys(("methods", "layers"), WORDS),
    "versions": st.tuples(st.text(max_size=5), st.text(max_size=5)),
}
RECIPES = st.builds(Recipe, **FIELDS)


@given(RECIPES, st.sampled_from(sorted(FIELDS)), st.data())
def test_any_field_changed_is_another_identity(before, name, data):
    value = data.draw(FIELDS[name])
    assume(value != getattr(before, name))
    after = replace(before, **{name: value})
    assert identity(after, "image") != identity(before, "image")
    assert set(FIELDS) == {field.name for field in fields(Recipe)}


@given(RECIPES, st.text(), st.text(), WORDS)
def test_image_and_truth_count(recipe, one, other, truth):
    assume(one != other)
    result = {
        identity(recipe, one),
        identity(recipe, other),
        identity(recipe, one, truth),
        identity(recipe, other, truth),
    }
    assert len(result) == 4
    assert identity(replace(recipe), one) == identity(recipe, one)
    assert all(len(text) == 40 for text in result)


def test_what_changed_is_named():
    before = Recipe("w", "c", "n", None, ("gradcam",), ("auto",), "k", ("1", "2"))
    stored = {**before.__dict__, "methods": ["gradcam"], "layers": ["auto"], "versions": ["1", "2"]}
    assert changed(stored, before) == []
    assert changed(stored, replace(before, weights="v", layers=("a",))) == [
        "weights",
        "layers (['auto'] → ['a'])",
    ]


def test_name_and_description_of_a_card_do_not_count(tmp_path):
    card = write_model(tmp_path)
    first = make_recipe(load_model(card), None, ("gradcam",), ("auto",))
    card.write_text('name = "another"\ndescription = "words"\n' + card.read_text())
    assert make_recipe(load_model(card), None, ("gradcam",), ("auto",)) == first
    card.write_text(card.read_text().replace("[-1, 1]", "[0, 1]"))
    assert make_recipe(load_model(card), None, ("gradcam",), ("auto",)).card != first.card


def test_the_code_of_the_network_counts(tmp_path):
    card = write_model(tmp_path)
    model = load_model(card)
    first = network_digest(model.module, None)
    assert first != network_digest(torch.nn.ReLU(), None)  # torch's own code goes by its version
    net = tmp_path / "net.py"
    net.write_text(net.read_text().replace("mean((2, 3))", "amax((2, 3))"))
    changed_model = load_model(card)
    assert changed_model.sha256 == model.sha256
    assert network_digest(changed_model.module, None) != first


HELPER = "from . import deeper\ndef pool(x):\n    return x.mean((2, 3))\n"


@pytest.mark.parametrize(
    "how",
    [
        "import helper",
        "from helper import pool",
        "from parts.helper import pool",
        "from parts import helper",
    ],
)
def test_modules_beside_the_factory_that_it_imports_count(tmp_path, how):
    card, net = write_model(tmp_path), tmp_path / "net.py"
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/helper.py").write_text(HELPER)
    (tmp_path / "helper.py").write_text(HELPER.partition("\n")[2])
    deeper, unused = tmp_path / "parts/deeper.py", tmp_path / "unused.py"
    deeper.write_text("x = 1\n")
    used = tmp_path / ("parts/helper.py" if "parts" in how else "helper.py")
    net.write_text(f"{how}\n{net.read_text()}")
    module = load_model(card).module

    def after(file, text):
        file.write_text(text)
        return network_digest(module, net)

    first = after(unused, "x = 1\n")
    assert after(unused, "x = 2\n") == first
    second = after(used, used.read_text().replace("mean", "amax"))
    assert second != first
    assert (after(deeper, "x = 2\n") != second) == ("parts" in how)


@pytest.mark.parametrize(
    "start",
    [
        "attribution/engine.py",
        "models/load.py",
        "models/preprocessing/run.py",
        "io/read.py",
        "runs/rows.py",
    ],
)
def test_all_code_that_a_map_goes_through_is_hashed(start):
    root = REPOSITORY / "src/camlucida"
    hashed = {
        file
        for name in COMPUTING
        for file in ([root / name] if name.endswith(".py") else (root / name).rglob("*.py"))
    }
    beside = {root / "__init__.py", *(root / "figures").glob("*.py")}  # no number comes from them
    pending, seen = [root / start], set()
    while pending:
        file = pending.pop()
        if file in seen or file in beside:
            continue
        seen.add(file)
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("camlucida."):
                place = root.joinpath(*node.module.split(".")[1:])
                names = [place / f"{alias.name}.py" for alias in node.names]
                result = [
                    path
                    for path in (*names, place.with_suffix(".py"), place / "__init__.py")
                    if path.is_file()
                ]
                pending += result
    assert seen <= hashed, sorted(path.relative_to(root).as_posix() for path in seen - hashed)
