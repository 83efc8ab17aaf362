"""``camlucida ensemble``: several classifiers on the same films, their mean and what they disagree on."""

from __future__ import annotations

import json
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
    progress_bar,
)
from camlucida.core.errors import UsageError


@app.command("ensemble")
def ensemble_command(
    config: Annotated[
        Path, typer.Argument(help="config_classifiers.toml: a table [classifiers.KEY] each.")
    ],
    images: Annotated[list[str], typer.Argument(help="Image files, folders or globs.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder for run, figures, tables and index.html; it goes on with what is there.",
        ),
    ] = Path("ensemble"),
    top: Annotated[
        int, typer.Option(min=1, help="Of each classifier, show its most probable labels.")
    ] = 3,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="And every label with a probability above this.")
    ] = 0.5,
    label: Annotated[
        list[str] | None, typer.Option(help="Show only this label. Repeatable.")
    ] = None,
    method: Annotated[str, typer.Option(help="See `camlucida methods`.")] = "gradcam",
    scale: Annotated[
        str,
        typer.Option(
            help="How maps are made comparable: share (of heat), limit (largest value) or none (one unit)."
        ),
    ] = "share",
    weight: Annotated[
        list[str] | None,
        typer.Option(help="KEY=0.5: in place of the file's weight; 0 leaves it out. Repeatable."),
    ] = None,
    boxes: Annotated[
        str | None,
        typer.Option(
            help="Readers' boxes: a table (image, Label, x, y, w, h), or for one film Label,x,y,w,h."
        ),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Whose film it is: a table with image and patient columns.")
    ] = None,
    pdf: Annotated[
        bool, typer.Option(help="Figures as PDF, too; without, drawing takes half the time.")
    ] = True,
    device: DeviceOption = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print ensemble.json on standard output.")
    ] = False,
) -> None:
    """Classify and explain films with several classifiers: side by side, weighted ensemble maps, disagreement, boxes."""
    from camlucida.analysis.ensemble.combine import SCALES
    from camlucida.analysis.ensemble.findings import Choice, EnsembleFindings
    from camlucida.core.errors import did_you_mean
    from camlucida.datasets.classifiers import read_classifiers
    from camlucida.datasets.ground_truth import read_boxes
    from camlucida.io import expand_paths
    from camlucida.workflows.ensemble.folder import present
    from camlucida.workflows.ensemble.run import run_ensemble

    if scale not in SCALES:
        raise UsageError(f"unknown scale {scale!r}", did_you_mean(scale, SCALES))
    classifiers = read_classifiers(config, _weights(weight or ()))
    if boxes is not None:  # a mistake in it must not cost a run
        read_boxes(boxes, (), [str(path) for path in expand_paths(images)[0]])
    try:
        with output_folder(out):
            with progress_bar(None, "asking") as progress:
                asked = run_ensemble(
                    classifiers,
                    images,
                    out,
                    labels=label or (),
                    method=method,
                    table=table,
                    device=device,
                    about=command_record(),
                    progress=progress,
                )
            findings = EnsembleFindings(asked.run, scale)
            choice = Choice(top, threshold, findings.check(label or ()))
            truth = (
                None
                if boxes is None
                else read_boxes(boxes, tuple(findings.labels.values()), findings.images())
            )
            with progress_bar(None, "drawing") as progress:
                result = present(
                    asked,
                    findings,
                    choice,
                    truth,
                    out,
                    command_record(),
                    ("png", "pdf") if pdf else ("png",),
                    progress,
                )
    except KeyboardInterrupt:
        print("error: interrupted; the same command goes on from here", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    for _, line in result.failures:
        print(f"error: {line}", file=sys.stderr)
    for note in asked.notes:
        print(f"note: {note}", file=sys.stderr)
    if as_json:
        print(json.dumps(result.record, indent=2, ensure_ascii=False))
    else:
        for line in result.lines():
            print(line)
        print(f"page: {result.index}")
    if result.failures:
        raise typer.Exit(SOME_FAILED)


def _weights(words: list[str] | tuple[()]) -> dict[str, float]:
    found = {}
    for word in words:
        key, sign, number = word.rpartition("=")
        try:
            found[key.strip()] = float(number)
        except ValueError as error:
            raise UsageError(
                f"--weight {word}: {number!r} is not a number", "write KEY=0.5"
            ) from error
        if not sign:
            raise UsageError(f"--weight {word}: no classifier is named", "write KEY=0.5")
    return found
