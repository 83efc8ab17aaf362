"""What stands on the disk, and what is said, when a command ends before its work is done."""

import json
import os
import subprocess
import sys

import pytest

from camlucida.workflows.explain import explain_to_folder
from tests.cli.test_cli import run
from tests.support.models_on_disk import write_image, write_model
from tests.support.paths import REPOSITORY

LIMITED = """
import resource, sys
from camlucida.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
main(sys.argv[2:])
"""


@pytest.fixture
def card(tmp_path):
    return write_model(tmp_path)


@pytest.fixture
def films(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    for i in range(6):
        write_image(folder / f"{i}.png", i)
    return folder


def test_each_image_is_recorded_before_the_next(tmp_path, card, films, monkeypatch):
    monkeypatch.setattr("camlucida.core.growing_list.REST", 0)  # else a slow disk would lag behind
    seen = []

    def look(done):
        out = tmp_path / "out"
        records = json.loads((out / "explanations.json").read_text())
        assert all(
            (out / name).is_file() for record in records for name in record["files"].values()
        )
        seen.append(len({record["id"] for record in records}))

    from camlucida.models import load_model

    paths = sorted(films.iterdir())
    explain_to_folder(load_model(card), paths, tmp_path / "out", batch_size=2, progress=look)
    assert seen == [2, 4, 6]


def test_an_interrupt_leaves_records_and_a_page(tmp_path, card, films, capsys, monkeypatch):
    from camlucida.workflows.explain_batches import BatchExplainer

    explain = BatchExplainer.explain

    def interrupted(self, paths):
        if self.explained >= 2:
            raise KeyboardInterrupt
        yield from explain(self, paths)

    monkeypatch.setattr(BatchExplainer, "explain", interrupted)
    out = tmp_path / "out"
    assert run("explain", films, "--model", card, "--out", out, "--batch-size", 2) == 130
    said = capsys.readouterr()
    assert "2 of 6 images explained" in said.out
    assert "note: interrupted after 2 images" in said.err
    assert (
        len({record["id"] for record in json.loads((out / "explanations.json").read_text())}) == 2
    )
    assert "explain.interrupted" in (out / "run.json").read_text()
    assert (out / "index.html").is_file()


def test_a_failure_is_printed_as_it_happens_and_once(tmp_path, card, films, capsys, monkeypatch):
    (films / "1.png").write_bytes(b"no image")
    lines = []
    monkeypatch.setattr("camlucida.cli.explain.print_failure", lambda line: lines.append(str(line)))
    options = ("--model", card, "--out", tmp_path / "out", "--batch-size", 2)
    assert run("explain", films, tmp_path / "none.png", *options) == 1
    assert len(lines) == 2
    assert any("1.png" in line for line in lines)
    assert "error:" not in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="needs resource limits")
def test_a_disk_that_is_full_is_one_line_with_path_and_mend(tmp_path, card, films):
    out = tmp_path / "out"
    command = ["evaluate", str(films), "--model", str(card), "--out", str(out)]
    arguments = [sys.executable, "-c", LIMITED, "2000", *command]
    done = subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode not in (0, -25)
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert str(out) in line
    assert "free space" in line
    assert not list(out.rglob(".camlucida-*"))
