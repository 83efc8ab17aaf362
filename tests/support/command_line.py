"""The command line in this process, from a folder, with what it printed."""

from __future__ import annotations

import io
import os
from contextlib import chdir, redirect_stderr, redirect_stdout
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
    code = _exit_code(folder, words)
    printed = capsys.readouterr()
    return Finished(code, printed.out, printed.err)


def run_once(folder: Path, *words: str | os.PathLike) -> Finished:
    """The same in a fixture of several tests."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = _exit_code(folder, words)
    return Finished(code, out.getvalue(), err.getvalue())


def _exit_code(folder: Path, words: tuple[str | os.PathLike, ...]) -> int:
    with chdir(folder):
        try:
            main([os.fspath(word) for word in words])
        except SystemExit as stopped:
            return int(stopped.code or 0)
    return 0
