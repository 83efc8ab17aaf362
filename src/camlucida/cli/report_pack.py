"""``camlucida report-pack``: training runs in; class grids, a seeds table, consistency and a LaTeX section out."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import (
    INTERRUPTED,
    SOME_FAILED,
    DeviceOption,
    app,
    command_record,
    output_folder,
    print_table,
    progress_bar,
)

HEADS = (
    "run",
    "images",
    "accuracy",
    "quadratic kappa",
    "heat on artefacts (area)",
    "heat on text (area)",
)


@app.command("report-pack")
def report_pack_command(
    runs: Annotated[
        list[Path],
        typer.Option("--run", help="Folder of a training run, or of fold_1, fold_2, … Repeatable."),
    ],
    assets_dir: Annotated[
        Path, typer.Option(help="Folder for figures and tables; runs packed there before are kept.")
    ],
    tex: Annotated[
        Path | None,
        typer.Option(
            help="LaTeX file that takes the section. Default: NAME_model.tex in --assets-dir."
        ),
    ] = None,
    name: Annotated[
        str, typer.Option(help="What figures and section are called after.")
    ] = "density",
    images: Annotated[
        Path | None, typer.Option(help="Folder of images. Default: where the run's files say.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="Table of images and patients. Default: the one the summary names."),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="The classes in their order. Repeatable. Default: found."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of a run whose summary and folder do not say it.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Card or factory of the checkpoints. Default: recognised from their keys.",
        ),
    ] = None,
    method: Annotated[str, typer.Option(help="See `camlucida methods`.")] = "gradcam",
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="See `camlucida layers`. Repeatable: layers are compared. Default: auto."
        ),
    ] = None,
    target: Annotated[str, typer.Option(help="predicted, truth, or a class.")] = "predicted",
    per_class: Annotated[int, typer.Option(min=1, max=8, help="Examples of each class.")] = 3,
    language: Annotated[str, typer.Option(help="Of the section: en or zh.")] = "en",
    work: Annotated[
        Path | None, typer.Option(help="Folder of the maps. Default: .camlucida in --assets-dir.")
    ] = None,
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Images in one forward. Default: 8 on a CPU, 32 on a GPU."),
    ] = None,
) -> None:
    """Pack training runs for an article: Grad-CAM by class, seeds side by side, their consistency, a section in LaTeX."""
    from camlucida.workflows.training_runs import PackSettings, pack_runs
    from camlucida.workflows.training_runs.explain import ExplainOptions

    settings = PackSettings(
        runs=tuple(runs),
        explain=ExplainOptions(
            model, method, tuple(layer or ("auto",)), target, device, batch_size
        ),
        name=name,
        images=images,
        table=table,
        classes=tuple(classes or ()),
        seed=seed,
        per_class=per_class,
        tex=tex,
        work=work,
        language=language,
    )
    try:
        with (
            output_folder(assets_dir),
            progress_bar(None, "explaining") as running,
            progress_bar(None, "measuring") as measuring,
        ):
            found = pack_runs(
                settings, assets_dir, about=command_record(), progress=running, measuring=measuring
            )
    except KeyboardInterrupt:
        print("error: interrupted; the same command goes on", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    for failure in found.failures:
        print(f"error: {failure}", file=sys.stderr)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    if found.packed:
        from camlucida.workflows.training_runs.lines import (
            lines_of,
            rules_of,
            verdict_lines,
            warnings_of,
        )

        print_table(HEADS, [lines_of(one) for one in found.packed])
        for line in (
            *rules_of(found.packed),
            *verdict_lines(found.comparisons),
            *warnings_of(found.packed),
        ):
            print(line)
        print(f"{found.tex}: section {'written' if found.changed else 'is as it was'}")
        print(f"written: {', '.join(map(str, found.written))}", file=sys.stderr)
        print(
            f"whole reports: camlucida report {shlex.quote(str(work or assets_dir / '.camlucida'))}/*",
            file=sys.stderr,
        )
    if found.failures:
        raise typer.Exit(SOME_FAILED)
