"""``camlucida report-pack``: training runs in; figures, tables and a LaTeX section out."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from camlucida.cli.common import (
    ColormapOption,
    DeidentifyOption,
    DeviceOption,
    IdPatternOption,
    SheetOption,
    app,
    command_record,
    finish,
    output_folder,
    print_table,
    print_written,
    progress_bar,
    resumable,
)
from camlucida.cli.option_values import pairs
from camlucida.cli.option_words import command_with_lists

if TYPE_CHECKING:
    from camlucida.workflows.training_runs import PackResult

HEADS = (
    "run",
    "images",
    "accuracy",
    "quadratic kappa",
    "heat on artefacts (area)",
    "heat on text (area)",
)


@app.command("report-pack", cls=command_with_lists("--run", "--layer", "--class"))
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
        str, typer.Option(help="Name of the pack, in the names of figures and section.")
    ] = "density",
    images: Annotated[
        Path | None, typer.Option(help="Folder of images. Default: as the run's files state.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="Table of images and patients. Default: the one the summary names."),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class", help="The classes in their order. Repeatable. Default: those of the run."
        ),
    ] = None,
    class_names: Annotated[
        list[str] | None,
        typer.Option(
            "--class-name",
            help="CODE=NAME: what a class of the files is called in results, such as 0=1 for "
            "BI-RADS. Repeatable.",
        ),
    ] = None,
    id_pattern: IdPatternOption = None,
    sheet: SheetOption = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of a run for which neither summary nor folder states it."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Card or factory of the checkpoints. Default: recognised from their keys.",
        ),
    ] = None,
    method: Annotated[str, typer.Option(help="Method; see `camlucida methods`.")] = "gradcam",
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Layer; see `camlucida layers`. Repeatable: layers are compared. Default: auto."
        ),
    ] = None,
    target: Annotated[str, typer.Option(help="Target: predicted, truth or a class.")] = "predicted",
    per_class: Annotated[int, typer.Option(min=1, max=8, help="Examples of each class.")] = 3,
    language: Annotated[str, typer.Option(help="Language of the section: en, pt or zh.")] = "en",
    section_level: Annotated[
        Literal["section", "subsection", "subsubsection"],
        typer.Option(help="Heading of the section in LaTeX."),
    ] = "section",
    short: Annotated[
        bool,
        typer.Option(
            "--short",
            help="A short section: results, class grids, images to look at first, limits.",
        ),
    ] = False,
    accept_mismatch: Annotated[
        bool,
        typer.Option(
            "--accept-mismatch",
            help="Go on with a model that does not reproduce its stored predictions: every figure "
            "is stamped.",
        ),
    ] = False,
    work: Annotated[
        Path | None, typer.Option(help="Folder of the maps. Default: .camlucida in --assets-dir.")
    ] = None,
    device: DeviceOption = "auto",
    colormap: ColormapOption = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Images in one forward pass. Default: 8 on a CPU, 32 on a GPU."),
    ] = None,
    deidentify: DeidentifyOption = False,
) -> None:
    """Pack training runs for an article: Grad-CAM by class, seeds compared, a LaTeX section."""
    from camlucida.workflows.training_runs import ExplainOptions, PackSettings, pack_runs
    from camlucida.workflows.training_runs.image_finder import TableOptions

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
        level=section_level,
        short=short,
        accept_mismatch=accept_mismatch,
        table_options=TableOptions(sheet, id_pattern, pairs(class_names, "--class-name")),
        deidentify=deidentify,
    )
    with (
        resumable(),
        output_folder(assets_dir),
        progress_bar(None, "explaining") as running,
        progress_bar(None, "measuring") as measuring,
    ):
        result = pack_runs(
            settings, assets_dir, about=command_record(), progress=running, measuring=measuring
        )
    if result.trainings:
        _print_result(result)
        maps = shlex.quote(str(work or assets_dir / ".camlucida"))
        print(f"whole reports: camlucida report {maps}/*", file=sys.stderr)
    finish(result.failures, result.notes)


def _print_result(result: PackResult) -> None:
    """The table of runs, what a reader must know of them, and the files."""
    from camlucida.workflows.training_runs.lines import (
        check_lines,
        look_first_lines,
        row_of,
        rule_lines,
        verdict_lines,
    )

    print_table(HEADS, [row_of(training) for training in result.trainings])
    for line in rule_lines(result.trainings):
        print(line)
    for line in verdict_lines(result.comparisons):
        print(line)
    for line in look_first_lines(result.comparisons):
        print(line)
    for message in check_lines(result.trainings):
        print(message)
    print(f"{result.tex}: section {'written' if result.changed else 'unchanged'}")
    print_written(result.written)
