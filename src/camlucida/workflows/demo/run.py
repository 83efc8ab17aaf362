"""All parts of the demonstration, two at a time, and the page that links them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from camlucida.core.files import write_bytes
from camlucida.core.provenance import versions
from camlucida.io import read_image
from camlucida.report.page import render
from camlucida.workflows.demo.parts import PARTS, Part
from camlucida.workflows.demo.shortcut import run_shortcut

AT_ONCE = 2
"""Parts that run side by side, one thread each."""

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class DemoResult:
    """The page that links everything, the lines that sum it up, items that could not be explained, and what went wrong."""

    index: Path
    lines: list[str]
    notes: list[str]
    failures: list[str]


@dataclass(frozen=True)
class Done:
    """A part that was run.

    Attributes:
        part: of :data:`~camlucida.workflows.demo.parts.PARTS`.
        commands: as typed in the demo's folder.
        pages: (file, what it is), those that are there.
        picture: its file; "" where there is none.
        summary: lines of its report.
        notes: a line for each item that could not be explained.
        failure: "" or the last line of the command that failed.
    """

    part: Part
    commands: tuple[str, ...]
    pages: tuple[tuple[str, str], ...]
    picture: str
    summary: tuple[str, ...]
    notes: tuple[str, ...]
    failure: str


def run_demo(
    out: Path, device: str, progress: Callable[..., object], parts: Sequence[Part] = PARTS
) -> DemoResult:
    """Write the inputs, run every command as a user would, and link the reports from ``out/index.html``.

    Args:
        out: folder of everything.
        device: of the models.
        progress: called with 1 for each part that is done, and once with their ``total``.
        parts: which to run, beside the model that cheats.
    """
    progress(0, total=len(parts) + 1)

    def one(part: Part) -> Done:
        done = _run_part(out, part, device)
        progress(1)
        return done

    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(one, part) for part in parts]
        done = [future.result() for future in running]
    shortcut = run_shortcut(out / "shortcut", device)
    progress(1)
    index = out / "index.html"
    render("demos.html.j2", index, parts=done, shortcut=shortcut.lines, versions=versions())
    lines = [f"{each.part.title}: {out / each.pages[0][0]}" for each in done if each.pages]
    notes = [f"{each.part.name}: {note}" for each in done for note in each.notes]
    failures = [f"{each.part.name}: {each.failure}" for each in done if each.failure]
    return DemoResult(index, [*shortcut.lines, *lines], notes, failures)


def _run_part(out: Path, part: Part, device: str) -> Done:
    part.write(out / "inputs" / part.name)
    commands: list[str] = []
    notes: list[str] = []
    failure = log = ""
    for arguments in part.commands:
        asked = [
            *arguments,
            *(("--device", device) if arguments[0] != "report" and device != "auto" else ()),
        ]
        commands.append(shlex.join(["camlucida", *asked]))
        found = subprocess.run(
            [sys.executable, "-m", "camlucida", *asked],
            cwd=out,
            env={**os.environ, **THREADS},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        log += f"$ {commands[-1]}\n{found.stdout}{found.stderr}"
        errors = [
            line.removeprefix("error: ")
            for line in found.stderr.splitlines()
            if line.startswith("error: ")
        ]
        if not _did_its_work(arguments[0], found.returncode, errors):
            failure = (errors or [f"exit code {found.returncode}: {commands[-1]}"])[-1]
            break
        notes += errors
    write_bytes(out / part.name / "log.txt", log.encode())
    pages = tuple((page, words) for page, words in part.pages.items() if (out / page).is_file())
    summary = _summary(out / part.name / "report" / "report.md")
    return Done(part, tuple(commands), pages, _picture(out, part), summary, tuple(notes), failure)


def _did_its_work(command: str, code: int, errors: Sequence[str]) -> bool:
    """Exit code 0; or 1 with a line an item that failed while the rest of the batch went on. A report has no items, and a
    traceback no such line."""
    return code == 0 or (code == 1 and bool(errors) and command != "report")


def _picture(out: Path, part: Part) -> str:
    """A copy of the part's figure, small enough for a page; relative to the demo's folder."""
    found = sorted(out.glob(part.picture))
    if not found:
        return ""
    from PIL import Image

    from camlucida.figures.overlay import png_bytes

    small = Image.fromarray(read_image(found[0]).display)
    small.thumbnail((900, 900))
    name = f"{part.name}/picture.png"
    write_bytes(out / name, png_bytes(small))
    return name


def _summary(report: Path) -> tuple[str, ...]:
    """The lines of the first section of a report in Markdown."""
    if not report.is_file():
        return ()
    lines = report.read_text("utf-8").splitlines()
    heads = [number for number, line in enumerate(lines) if line.startswith("## ")]
    first = lines[heads[0] + 1 : heads[1]] if len(heads) > 1 else []
    return tuple(re.sub(r"\\(\W|_)", r"\1", line.removeprefix("- ")) for line in first if line)
