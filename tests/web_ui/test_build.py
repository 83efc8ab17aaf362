"""The built scripts, the tables and the golden vectors are those of the sources."""

import base64
import gzip
import json
import re
import subprocess
import zlib

import numpy as np
import pytest
from scripts import viewer_tables

from camlucida.figures.colours import colour_table
from camlucida.report.viewer.palettes import PALETTES
from tests.support.paths import REPOSITORY

STATIC = REPOSITORY / "src" / "camlucida" / "web" / "static"


def run(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_built_scripts_are_current(web_ui, tmp_path):
    run(web_ui, "node", "build.mjs", str(tmp_path))
    built = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    carried = {path.name: path.read_bytes() for path in STATIC.glob("*.js")}
    assert built.keys() == carried.keys(), "run: make web"
    assert built == carried, "run: make web"


def test_the_documented_weights_are_those_of_the_built_scripts():
    text = (REPOSITORY / "docs" / "how-to" / "workbench.md").read_text()
    numbers = re.search(r"pages weigh (\d+) kB.*?\((\d+) kB.*?page (\d+) kB \((\d+) kB", text)
    measured = []
    for script in ("app.js", "viewer.js"):
        content = (STATIC / script).read_bytes()
        measured += [len(content) / 1000, len(gzip.compress(content)) / 1000]
    assert [int(each) for each in numbers.groups()] == pytest.approx(measured, rel=0.05)
    assert measured[0] <= 400


def test_types(web_ui):
    run(web_ui, "npx", "--no-install", "tsc")


def test_typescript_has_the_numbers_of_python(web_ui):
    run(web_ui, "npx", "--no-install", "vitest", "run")


def test_the_words_are_current():
    written = (viewer_tables.WEB_UI / "viewer/generated/words.ts").read_text("utf-8")
    assert written == viewer_tables.words(), "run: python scripts/viewer_tables.py"


def test_the_golden_vectors_are_current():
    written = json.loads((viewer_tables.WEB_UI / "tests/golden.json").read_text("utf-8"))
    current = json.loads(json.dumps(viewer_tables.golden()))
    assert same(written, current), "run: python scripts/viewer_tables.py"


def same(a, b):
    """Equal but for the rounding of another processor and the packing of another compressor."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, str) and a != b:
        return np.allclose(numbers(a), numbers(b), atol=1e-5)
    return a == pytest.approx(b, abs=1e-5)


def numbers(text):
    """Of a base64 text: compressed samples of a film, or floats."""
    content = base64.b64decode(text)
    try:
        return np.frombuffer(zlib.decompress(content), np.uint8)
    except zlib.error:
        return np.frombuffer(content, "<f4")


@pytest.mark.parametrize("name", PALETTES)
def test_the_colours_are_current(name):
    colours = np.rint(255 * viewer_tables.palette_colours(name))
    assert viewer_tables.text(colours) in tables()


@pytest.mark.parametrize("name", ["lucida", "jet"])
def test_the_bar_is_that_of_the_figures(name):
    entry = viewer_tables.palette(name)
    heat = ((np.arange(256) + 0.5) / 256)[:, None]
    bar = heat ** entry["fade"] * 255 * viewer_tables.palette_colours(name)
    figures = colour_table(name).alone.astype(float)  # of heats from 0 to 1
    assert np.abs(bar - figures).max() <= 3
    assert f'"fade": {entry["fade"]}' in tables()


@pytest.mark.parametrize(("name", "alpha"), [("lucida", 0.6), ("jet", 1.0), ("bwr", 0.6)])
def test_the_opacities_are_current(name, alpha):
    steps = viewer_tables.opacity_steps(name, alpha).astype(np.uint8)
    _, _, entry = tables().partition(f'"{name}": {{')
    text = entry.partition('"opacity": "')[2].partition('"')[0]
    stored = np.frombuffer(base64.b64decode(text), np.uint8).reshape(10, -1)
    assert stored[round(10 * alpha) - 1].tolist() == steps.tolist()


def tables():
    return (viewer_tables.WEB_UI / "viewer/generated/tables.ts").read_text("utf-8")
