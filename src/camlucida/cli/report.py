"""``camlucida report``: what runs say, in words and figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import SOME_FAILED, app, command_with_lists, output_folder, progress_bar
from camlucida.core.errors import UsageError
from camlucida.report.locale import load_texts


@app.command("report", cls=command_with_lists("--format", "--sections", "--rule"))
def report_command(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, reported together.")],
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format", help="html, md, tex, pdf; several with blanks or commas. Default: html."
        ),
    ] = None,
    sections: Annotated[
        list[str] | None,
        typer.Option(help="Only these, in this order, such as data results. Default: all."),
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            help="How cases are chosen: best:2, worst, random:3:seed=1, … Repeatable. "
            "Default: by task.",
        ),
    ] = None,
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder. Default: report in the run; with several runs, report here.",
        ),
    ] = None,
    tex: Annotated[
        Path | None, typer.Option(help="LaTeX file: also put the report into it as a section.")
    ] = None,
) -> None:
    """Report runs: every sentence from what was measured, with intervals and chance levels."""
    from camlucida.report.build import build_report
    from camlucida.report.render import render_document
    from camlucida.report.writers.formats import FORMATS
    from camlucida.report.writers.insert import check_insertable, insert_section, section_name
    from camlucida.report.writers.latex import place_of, section
    from camlucida.report.writers.pdf import installed
    from camlucida.runs import Run

    opened = [Run.open(run) for run in runs]
    texts = load_texts(language)
    names = _words(formats) or ["html"]
    writers = [FORMATS[name] for name in names]
    name = section_name(list(dict.fromkeys(str(run.about["name"]) for run in opened)))
    if "pdf" in names:  # what is missing is said now, not after the work
        installed()
    folder = out or (opened[0].folder.root / "report" if len(opened) == 1 else Path("report"))
    place = ""
    if tex is not None:
        check_insertable(tex, name)
        place = place_of(folder, tex)
    with output_folder(folder):
        with progress_bar(None, "measuring maps") as progress:
            document = build_report(opened, folder, _words(sections), rules or (), progress)
        rendered = render_document(document, texts)
        for writer in writers:
            print(writer(rendered, folder))
        if tex is not None:
            changed = insert_section(tex, name, section(rendered, folder, name, place))
            print(f"{tex}: section {name} {'written' if changed else 'is as it was'}")
    for failure in rendered.failures:
        print(f"error: {failure}", file=sys.stderr)
    if rendered.failures:
        raise typer.Exit(SOME_FAILED)


def _words(options: list[str] | None) -> list[str] | None:
    """Repeated options, each of which may hold several words between commas; each word once."""
    if options is None:
        return None
    words = [word.strip() for option in options for word in option.split(",")]
    if not all(words):
        raise UsageError(
            f"an empty word in {', '.join(options)!r}",
            "write the words with single commas between them",
        )
    return list(dict.fromkeys(words))
