"""``camlucida passport``: a page for each model of a run, with all that was measured of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import LanguageOption, RunArgument, app, output_folder, print_written
from camlucida.core.errors import UsageError


@app.command("passport")
def passport_command(
    run: RunArgument,
    model: Annotated[str, typer.Option(help="Model of the run. Default: each of them.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder. Default: passport in the run.")
    ] = None,
    hub: Annotated[
        bool,
        typer.Option(
            "--model-card",
            help="Also write MODEL_README.md, a model card for the Hugging Face Hub, in English.",
        ),
    ] = False,
    language: LanguageOption = "en",
) -> None:
    """Write one page a model: performance, sanity, faithfulness, localisation, artefacts and
    consistency beside chance, and what was not measured; as HTML, PDF and JSON."""
    from camlucida.report.writers.pdf import installed
    from camlucida.runs import Run
    from camlucida.workflows.passport import passports, write_passports

    opened = Run.open(run)
    try:
        installed()
    except UsageError as error:
        print(f"note: no PDF: {error}", file=sys.stderr)
        with_pdf = False
    else:
        with_pdf = True
    folder = out or run / "passport"
    with output_folder(folder):
        made = passports(opened, folder, model)
        print_written(write_passports(made, folder, with_pdf))
        if hub:
            from camlucida.integrations.huggingface import write_model_cards

            print_written(write_model_cards(made, folder))
