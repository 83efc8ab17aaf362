"""kill -9 at every step of a run: the resumed run ends as an uninterrupted one, byte for byte."""

import os
import signal
import subprocess
import sys
import time

import pytest

from camlucida.runs import Run
from tests.support.camlucida import PART
from tests.support.cohorts import content, write_cohort
from tests.support.command_line import run
from tests.support.paths import REPOSITORY

ROOT = REPOSITORY


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_every_step_and_resumed(tmp_path):
    command = [sys.executable, "-m", "tests.support.kill_everywhere", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert min(map(int, done.stdout.split())) > 25  # there were steps to die at


FILMS_TO_INTERRUPT = 48
"""So many that most are left when the second part is seen, also on a busy machine."""


@pytest.mark.skipif(not hasattr(signal, "SIGINT") or os.name == "nt", reason="needs signals")
def test_interrupt_leaves_a_folder_to_go_on_with(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("camlucida.runs.run.PART", PART)
    cohort = write_cohort(tmp_path, films=FILMS_TO_INTERRUPT, broken=None)
    out = tmp_path / "run"
    camlucida = [
        sys.executable,
        "-m",
        "tests.support.camlucida",
        "run",
        str(cohort),
        "--out",
        str(out),
        "--batch-size",
        "4",
    ]
    process = subprocess.Popen(camlucida, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not list(out.glob("meta/part-00002.parquet")):  # then the first one is in the ledger
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "--resume" in errors
    assert "Traceback" not in errors
    assert 0 < Run.open(out).counts["pending"] < FILMS_TO_INTERRUPT
    options = ("--batch-size", "4")
    assert run(capsys, ROOT, "run", cohort, "--out", out, *options, "--resume").code == 0
    whole = tmp_path / "whole"
    assert run(capsys, ROOT, "run", cohort, "--out", whole, *options).code == 0
    assert content(out) == content(whole)
