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
from camlucida.core.png import png_bytes
from camlucida.core.provenance import versions
from camlucida.io import read_image
from camlucida.report.document import (
    Block,
    Code,
    Document,
    Link,
    Links,
    Listing,
    Notice,
    Paragraph,
    Picture,
    Points,
    Section,
    phrase,
)
from camlucida.report.writers.html import write_page
from camlucida.workflows.demo.parts import PARTS, Part
from camlucida.workflows.demo.shortcut import run_shortcut

AT_ONCE = 2
"""Parts that run side by side, one thread each."""

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
WIDEST_PICTURE = 900
"""Pixels of a part's picture on the page."""


@dataclass(frozen=True)
class DemoResult:
    """The outcome of a demonstration.

    Attributes:
        index: the page that links everything.
        lines: a summary.
        notes: items that could not be explained, a line each.
        failures: parts that stopped, a line each.
    """

    index: Path
    lines: list[str]
    notes: list[str]
    failures: list[str]


@dataclass(frozen=True)
class FinishedPart:
    """A part that was run.

    Attributes:
        part: of :data:`~camlucida.workflows.demo.parts.PARTS`.
        commands: as typed in the demo's folder.
        pages: (file, description), those that were written.
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
    """Write the inputs, run every command as a user would, and link the reports from a page.

    Args:
        out: folder of everything; the page is ``out/index.html``.
        device: of the models.
        progress: called with 1 for each part that is done, and once with their ``total``.
        parts: which to run, beside the shortcut.
    """
    progress(0, total=len(parts) + 1)

    def run(part: Part) -> FinishedPart:
        finished = _run_part(out, part, device)
        progress(1)
        return finished

    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(run, part) for part in parts]
        finished = [future.result() for future in futures]
    shortcut = run_shortcut(out / "shortcut", device)
    progress(1)
    index = write_page(demo_document(finished, shortcut.lines), out / "index.html")
    lines = [f"{each.part.title}: {out / each.pages[0][0]}" for each in finished if each.pages]
    notes = []
    for each in finished:
        notes += [f"{each.part.name}: {note}" for note in each.notes]
    failures = [f"{each.part.name}: {each.failure}" for each in finished if each.failure]
    return DemoResult(index, [*shortcut.lines, *lines], notes, failures)


def demo_document(finished: Sequence[FinishedPart], shortcut: Sequence[str]) -> Document:
    """The page that links everything. ``shortcut``: lines on the models of the shortcut."""
    text = phrase(
        "Each part was made by its commands, run in this folder; ",
        Code("inputs/"),
        " holds the files that they read.",
    )
    about = ", ".join(f"{name} {version}" for name, version in versions().items())
    sections = [_part_section(each) for each in finished]
    blocks = (
        Points(tuple(shortcut)),
        Links("", (Link("shortcut/index.html", "films, maps and measurements"),)),
    )
    title = "Does a model use the pneumothorax or the letters?"
    sections.append(Section("shortcut", blocks, title=title))
    return Document(
        "Five tasks, from inputs to reports",
        tuple(sections),
        synthetic=True,
        intro=(Paragraph((text,)), Paragraph((f"{about}.",), quiet=True)),
    )


def _part_section(finished: FinishedPart) -> Section:
    part = finished.part
    blocks: list[Block] = [Paragraph((part.description,))]
    if finished.failure:
        log = Link(f"{part.name}/log.txt", "log")
        blocks.append(Notice((phrase(f"Failed: {finished.failure} (", log, ")."),)))
    blocks += [Notice((f"Not explained: {note}",)) for note in finished.notes]
    blocks.append(Points(finished.summary))
    pages = tuple(Link(file, description) for file, description in finished.pages)
    blocks.append(Links("Pages", pages))
    if finished.picture:
        alt = "A figure of this part; the report describes it."
        blocks.append(Picture.of_file(finished.picture, alt=alt))
    blocks.append(Listing("\n".join(finished.commands)))
    return Section(part.name, tuple(blocks), title=part.title)


def _run_part(out: Path, part: Part, device: str) -> FinishedPart:
    part.write(out / "inputs" / part.name)
    commands: list[str] = []
    notes: list[str] = []
    failure = log = ""
    for arguments in part.commands:
        command = _with_device(arguments, device)
        commands.append(shlex.join(["camlucida", *command]))
        process = _run_command(command, out)
        log += f"$ {commands[-1]}\n{process.stdout}{process.stderr}"
        errors = _errors(process.stderr)
        if not _succeeded(arguments[0], process.returncode, errors):
            failure = (errors or [f"exit code {process.returncode}: {commands[-1]}"])[-1]
            break
        notes += errors
    write_bytes(out / part.name / "log.txt", log.encode())
    return FinishedPart(
        part=part,
        commands=tuple(commands),
        pages=tuple(page for page in part.pages.items() if (out / page[0]).is_file()),
        picture=_picture(out, part),
        summary=_summary(out / part.name / "report" / "report.md"),
        notes=tuple(notes),
        failure=failure,
    )


def _with_device(arguments: Sequence[str], device: str) -> list[str]:
    """The arguments of a command; a report uses no device."""
    if arguments[0] == "report" or device == "auto":
        return list(arguments)
    return [*arguments, "--device", device]


def _run_command(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "camlucida", *arguments],
        cwd=folder,
        env={**os.environ, **THREADS},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _errors(stderr: str) -> list[str]:
    """The error lines of a command, without their prefix."""
    prefix = "error: "
    return [line.removeprefix(prefix) for line in stderr.splitlines() if line.startswith(prefix)]


def _succeeded(command: str, code: int, errors: Sequence[str]) -> bool:
    """Whether a command did its work.

    It did with exit code 0, or with 1 and an error line for each item that failed while the rest of
    the batch went on. A report has no items, and a traceback no error line.
    """
    return code == 0 or (code == 1 and bool(errors) and command != "report")


def _picture(out: Path, part: Part) -> str:
    """A small copy of the part's figure; its path relative to the demo's folder."""
    figures = sorted(out.glob(part.picture))
    if not figures:
        return ""
    import numpy as np
    from PIL import Image

    small = Image.fromarray(read_image(figures[0]).display)
    small.thumbnail((WIDEST_PICTURE, WIDEST_PICTURE))
    name = f"{part.name}/picture.png"
    write_bytes(out / name, png_bytes(np.asarray(small)))
    return name


def _summary(report: Path) -> tuple[str, ...]:
    """The lines of the first section of a report in Markdown, without its markup."""
    if not report.is_file():
        return ()
    lines = report.read_text("utf-8").splitlines()
    heads = [number for number, line in enumerate(lines) if line.startswith("## ")]
    if len(heads) < 2:
        return ()
    first = [line.removeprefix("- ") for line in lines[heads[0] + 1 : heads[1]] if line]
    return tuple(re.sub(r"\\(\W|_)", r"\1", line) for line in first)
