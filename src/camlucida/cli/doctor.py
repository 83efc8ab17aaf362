"""``camlucida doctor``: what is wrong with a model, and how to mend it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camlucida.cli.common import (
    SOME_FAILED,
    CheckpointKeyOption,
    CheckpointOption,
    DeviceOption,
    FactoryOption,
    GridOption,
    OutputOption,
    PrefixOption,
    app,
    finish,
    print_json,
    progress_bar,
)
from camlucida.cli.option_values import find_inputs, load, with_tokens
from camlucida.cli.preprocessing import print_ranking
from camlucida.core.errors import UsageError

if TYPE_CHECKING:
    from camlucida.workflows.doctor import Diagnosis


@app.command("doctor")
def doctor_command(
    images: Annotated[
        list[str] | None,
        typer.Argument(
            help="Image files, folders or globs; of a model of volumes NIfTI, or folders of a "
            "DICOM series. Default: packaged synthetic films, which show faults of the network "
            "alone."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Model card (TOML), a factory such as torchvision:resnet50, or a checkpoint such "
            "as best.pth, whose network is then recognised. Default: --checkpoint.",
        ),
    ] = None,
    factory: FactoryOption = None,
    checkpoint: CheckpointOption = None,
    checkpoint_key: CheckpointKeyOption = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Layer: auto, an alias (encoder_last), or a path (layer4[-1]). Repeatable. "
            "Default: the card's."
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Predictions that training stored of the images, as val_predictions.csv: shows "
            "whether the preprocessing is that of training."
        ),
    ] = None,
    grid: GridOption = None,
    prefix: PrefixOption = None,
    output: OutputOption = None,
    device: DeviceOption = "auto",
    frame: Annotated[
        int | None,
        typer.Option(
            min=0, help="Frame of multi-frame files or NIfTI, from 0. Default: the first."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON on standard output.")
    ] = False,
) -> None:
    """Run a model and say what is wrong with it, its input and its maps, and how to mend it.

    Exit code 1 if a fault is found. Research use only.
    """
    from camlucida.workflows.doctor import CHECKS, diagnose

    if model is None:
        model, checkpoint = _of_checkpoint(checkpoint), None
    if predictions is not None and not images:
        raise UsageError("--predictions needs its images", "name their folder: doctor … images/")
    paths, missing = find_inputs(images, model) if images else ([], [])
    loaded = load(model, factory, checkpoint, device, output, checkpoint_key=checkpoint_key)
    loaded = with_tokens(loaded, grid, prefix)
    with progress_bar(len(CHECKS), "examining") as progress:
        result = diagnose(
            loaded, paths, layers=layer, predictions=predictions, frame=frame, progress=progress
        )
    if as_json:
        print_json(result)
    else:
        print(f"{loaded.name}: research use only")
        _print_findings(result)
    fit_notes = () if result.fit is None else result.fit.notes
    findings = [finding.what for finding in result.findings]
    notes = [note for note in loaded.notes if note not in findings]
    finish([*missing, *result.failures], [*notes, *fit_notes])
    if result.has_fault:
        raise typer.Exit(SOME_FAILED)


def _of_checkpoint(checkpoint: str | None) -> str:
    """The model of a checkpoint that is given without --model."""
    if checkpoint is None:
        raise UsageError("no model is given", "write --model card.toml, or --model best.pth")
    return checkpoint


def _print_findings(result: Diagnosis) -> None:
    for finding in result.findings:
        print(finding)
    if result.fit is not None:
        print_ranking(result.fit)
    severities = [finding.severity for finding in result.findings]
    print(f"faults: {severities.count('fault')}, notes: {severities.count('note')}")
