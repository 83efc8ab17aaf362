"""``camlucida report``: the results of runs, in words and figures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import (
    SOME_FAILED,
    ColormapOption,
    app,
    fetched_runs,
    output_folder,
    progress_bar,
)
from camlucida.cli.option_words import command_with_lists
from camlucida.core.errors import UsageError
from camlucida.report.locale import load_texts

_OUTCOMES = {True: "written", False: "is as it was"}


@app.command("report", cls=command_with_lists("--format", "--sections", "--rule", "--checklist"))
def report_command(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Folders or addresses of runs, reported together.", callback=fetched_runs
        ),
    ],
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="html, md, tex or pdf; join more than one by blanks or commas. Default: html.",
        ),
    ] = None,
    sections: Annotated[
        list[str] | None,
        typer.Option(help="Sections to write, in this order, such as data results. Default: all."),
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            help="How cases are chosen: best:2, worst, random:3:seed=1, … Repeatable. "
            "Default: by task.",
        ),
    ] = None,
    checklists: Annotated[
        list[str] | None,
        typer.Option(
            "--checklist",
            help="claim, stard-ai or tripod-ai: list which of its items the report answers and "
            "which its author writes. Repeatable.",
        ),
    ] = None,
    language: Annotated[str, typer.Option(help="Language: en, pt or zh.")] = "en",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder. Default: report in the run; with several runs, report here.",
        ),
    ] = None,
    tex: Annotated[
        Path | None, typer.Option(help="LaTeX file into which the report is inserted as a section.")
    ] = None,
    colormap: ColormapOption = None,
) -> None:
    """Report runs: sentences from measured values, with intervals and chance levels."""
    from camlucida.figures.style import can_draw, drawn_with
    from camlucida.report.build import build_report
    from camlucida.report.render import render_document, with_english_figures
    from camlucida.report.writers.formats import FORMATS
    from camlucida.report.writers.insert import check_insertable, insert_section, section_name
    from camlucida.report.writers.latex import picture_prefix, section
    from camlucida.report.writers.pdf import installed
    from camlucida.runs import Run

    opened = list(map(Run.open, runs))
    texts = load_texts(language)
    names = _words(formats) or ["html"]
    writers = list(map(FORMATS.__getitem__, names))
    cohorts = dict.fromkeys(str(run.about["name"]) for run in opened)
    name = section_name(list(cohorts))
    if "pdf" in names:  # what is missing is said now, not after the work
        installed()
    folder = out or _default_folder([run.folder.root for run in opened])
    if tex is not None:
        check_insertable(tex, name)
    with output_folder(folder):
        with progress_bar(None, "measuring maps") as progress, drawn_with(texts=texts):
            listed = _words(checklists) or ()
            document = build_report(
                opened, folder, _words(sections), rules or (), progress, checklists=listed
            )
        drawn = document if can_draw(texts) else with_english_figures(document)
        rendered = render_document(drawn, texts)
        for writer in writers:
            print(writer(rendered, folder))
        if tex is not None:
            text = section(rendered, folder, name, picture_prefix(folder, tex))
            print(f"{tex}: section {name} {_OUTCOMES[insert_section(tex, name, text)]}")
    _finish(rendered.failures)


def _default_folder(runs: Sequence[Path]) -> Path:
    return runs[0] / "report" if len(runs) == 1 else Path("report")


def _finish(failures: Sequence[object]) -> None:
    """Print what could not be reported, and end with the exit code for it."""
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    if failures:
        raise typer.Exit(SOME_FAILED)


def _words(options: list[str] | None) -> list[str] | None:
    """Repeated options, each of which may hold several words between commas; each word once."""
    if options is None:
        return None
    words = [word.strip() for word in ",".join(options).split(",")]
    if not all(words):
        raise UsageError(
            f"an empty word in {', '.join(options)!r}",
            "write the words with single commas between them",
        )
    return list(dict.fromkeys(words))
