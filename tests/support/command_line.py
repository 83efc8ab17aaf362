"""The command line in this process, from a folder, with what it printed."""

from __future__ import annotations

import os
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest

from camlucida.cli import main


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], folder: Path, *words: str | os.PathLike) -> Finished:
    """Run ``camlucida WORDS`` from a folder."""
    capsys.readouterr()
    with chdir(folder):
        try:
            main([os.fspath(word) for word in words])
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    printed = capsys.readouterr()
    return Finished(code, printed.out, printed.err)
