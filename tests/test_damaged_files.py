"""Damaged files of every kind are read or refused in one line; ``make fuzz`` tries many more."""

import random
import subprocess
import sys

from tests.support.fuzz import damaged, fault, whole_files
from tests.support.paths import REPOSITORY

FILES = 500


def test_damaged_files_are_read_or_refused_in_one_line():
    command = [sys.executable, "-m", "tests.support.fuzz", str(FILES)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    faults = [line for line in done.stdout.splitlines() if line.startswith(("FAULT", "whole"))]
    assert not faults
    assert done.returncode == 0, done.stdout[-200:] + done.stderr[-2000:]
    assert done.stderr == ""  # nothing of a decoder reaches the terminal


def test_every_kind_of_file_is_tried(tmp_path):
    files = whole_files(tmp_path)
    assert len(files) >= 33
    assert {path.suffix for path, _ in files} >= {".png", ".dcm", ".tif", ".xlsx", ".toml", ".pth"}


def test_damage_is_repeatable_and_a_fault_is_seen(tmp_path):
    data = bytes(range(256))
    assert damaged(data, random.Random(1)) == damaged(data, random.Random(1)) != data

    def broken(path):
        raise KeyError(path.name)

    assert fault(broken, tmp_path).startswith("KeyError")
    assert fault(str, tmp_path) == ""
