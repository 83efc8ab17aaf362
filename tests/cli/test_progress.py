"""The progress bar on standard error."""

import pytest

from camlucida.cli.common import progress_bar
from camlucida.phantom import model_cards
from tests.cli.test_cli import run
from tests.support.models_on_disk import write_image


def advanced():
    with progress_bar(2, "explaining") as progress:
        progress.passes(8, 1024)
        progress(1)
        progress.passes(16, 1024)


def test_a_terminal_sees_the_passes_of_the_map_that_is_made(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    advanced()
    error = capsys.readouterr().err
    assert "8 of 1,024 passes" in error
    assert "1/2" in error


def test_nothing_is_drawn_elsewhere(capsys):
    advanced()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("method", "words"), [("rise", "512 of 512 passes"), ("gradcam", "")])
def test_explain_counts_the_passes_of_a_map(tmp_path, monkeypatch, capsys, method, words):
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("COLUMNS", "120")
    write_image(tmp_path / "film.png")
    options = ["--model", model_cards()["honest_densenet"], "--device", "cpu", "--method", method]
    run("explain", tmp_path / "film.png", *options, "--out", tmp_path / "out")
    error = capsys.readouterr().err
    assert words in error
    assert ("passes" in error) == bool(words)
