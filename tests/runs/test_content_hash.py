"""The hash of a run's results: that of a shell, changed by any result and by nothing else."""

import shutil
import subprocess

import pytest

from camlucida.runs import Run
from camlucida.runs.content_hash import content_hash

COMMAND = """find run.json cohort.parquet maps meta predictions $(ls -d evaluation 2>/dev/null) \\
    -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"""


@pytest.fixture
def run(small_run, tmp_path):
    shutil.copytree(small_run.folder.root, tmp_path / "r")
    return Run.open(tmp_path / "r")


def by_shell(run):
    done = subprocess.run(
        ["bash", "-c", COMMAND], cwd=run.folder.root, capture_output=True, check=True, text=True
    )
    return done.stdout.split()[0]


def test_it_is_what_a_shell_computes(run):
    assert content_hash(run.folder) == by_shell(run)
    (run.folder.root / "evaluation/gradcam").mkdir(parents=True)
    (run.folder.root / "evaluation/gradcam/rows.csv").write_text("a")
    (run.folder.root / "evaluation/Z.csv").write_text("b")
    assert content_hash(run.folder) == by_shell(run)


def test_reports_do_not_change_it_and_results_do(run):
    before = content_hash(run.folder)
    (run.folder.root / "report").mkdir()
    (run.folder.root / "report/report.html").write_text("x")
    assert content_hash(run.folder) == before
    part = next((run.folder.root / "predictions").iterdir())
    part.write_bytes(part.read_bytes() + b"x")
    assert content_hash(run.folder) != before
