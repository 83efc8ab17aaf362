"""``camlucida ensemble``: two or more classifiers on the same images, mean map and disagreement."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import (
    ColormapOption,
    DeidentifyOption,
    DeviceOption,
    IdColumnOption,
    LanguageOption,
    app,
    command_record,
    finish,
    output_folder,
    print_json,
    progress_bar,
    resumable,
)
from camlucida.core.errors import UsageError, did_you_mean


@app.command("ensemble")
def ensemble_command(
    config: Annotated[
        Path,
        typer.Argument(
            help="config_classifiers.toml, with a table [classifiers.KEY] for each classifier."
        ),
    ],
    images: Annotated[list[str], typer.Argument(help="Image files, folders or globs.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder for run, figures, tables and index.html; an existing run is resumed.",
        ),
    ] = Path("ensemble"),
    top: Annotated[
        int, typer.Option(min=1, help="Number of most probable labels shown for each classifier.")
    ] = 3,
    threshold: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Also show every label with a probability above this, or with an output above "
            "it that the classifier scales so that 0.5 is its operating point.",
        ),
    ] = 0.5,
    label: Annotated[
        list[str] | None, typer.Option(help="Show only this label. Repeatable.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Method; see `camlucida methods`. Default: the file's cam_method, else gradcam."
        ),
    ] = None,
    scale: Annotated[
        str,
        typer.Option(
            help="How maps are made comparable: share (of heat), limit (largest value) or none "
            "(one unit)."
        ),
    ] = "share",
    weighting: Annotated[
        str,
        typer.Option(
            help="What a map counts: probability (weight × probability of the label) or equal "
            "(weight alone)."
        ),
    ] = "probability",
    weight: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=0.5: weight instead of the file's; 0 leaves the classifier out. Repeatable."
        ),
    ] = None,
    boxes: Annotated[
        str | None,
        typer.Option(
            help="Boxes drawn by readers: a table (image, Label, x, y, w, h), or for one image "
            "Label,x,y,w,h."
        ),
    ] = None,
    id_column: IdColumnOption = None,
    table: Annotated[
        Path | None,
        typer.Option(help="Patients of the images: a table with image and patient columns."),
    ] = None,
    pdf: Annotated[
        bool,
        typer.Option(help="Write figures as PDF too, for print; drawing takes twice the time."),
    ] = False,
    device: DeviceOption = "auto",
    colormap: ColormapOption = None,
    language: LanguageOption = "en",
    deidentify: DeidentifyOption = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print ensemble.json on standard output.")
    ] = False,
) -> None:
    """Classify and explain images with two or more classifiers: mean map, disagreement, boxes."""
    from camlucida.analysis.ensemble.combine import SCALES
    from camlucida.analysis.ensemble.findings import EnsembleFindings, FindingChoice
    from camlucida.analysis.ensemble.members import WEIGHTINGS
    from camlucida.datasets.annotation_discovery import notes_on_unused
    from camlucida.datasets.classifiers import read_cam_method, read_classifiers
    from camlucida.datasets.ground_truth import read_boxes
    from camlucida.io import expand_paths
    from camlucida.runs.keyed import kept_notes
    from camlucida.workflows.ensemble.folder import write_ensemble
    from camlucida.workflows.ensemble.run import run_ensemble

    _check_choice("scale", scale, SCALES)
    _check_choice("weighting", weighting, WEIGHTINGS)
    classifiers = read_classifiers(config, _weights(weight or ()))
    method = method or read_cam_method(config) or "gradcam"
    paths = expand_paths(images)[0]
    if boxes is not None:  # a mistake in it must not cost a run
        read_boxes(boxes, (), list(map(str, paths)), id_column)
    about, labels = command_record(), label or ()
    formats = ("jpg", "pdf") if pdf else ("jpg",)
    with resumable(), output_folder(out):
        with progress_bar(None, "explaining") as progress:
            run = run_ensemble(
                classifiers,
                images,
                out,
                labels=labels,
                method=method,
                table=table,
                device=device,
                about=about,
                deidentify=deidentify,
                progress=progress,
            )
        unused = notes_on_unused(paths, boxes, "--boxes PATH")
        run.notes += kept_notes(run.run.about, unused)
        findings = EnsembleFindings(run.run, scale, weighting)
        choice = FindingChoice(top, threshold, findings.check(labels))
        truth = None
        if boxes is not None:
            labels_of_models = tuple(findings.labels.values())
            names = [name for name, _ in run.run.image_names()]
            truth = read_boxes(boxes, labels_of_models, names, id_column)
        with progress_bar(None, "drawing") as progress:
            output = write_ensemble(run, findings, choice, truth, out, about, formats, progress)
    if as_json:
        print_json(output.record)
    else:
        for line in output.lines():
            print(line)
        print(f"page: {output.index}")
    finish(output.failures, run.notes)


def _check_choice(name: str, word: str, choices: Collection[str]) -> None:
    if word not in choices:
        raise UsageError(f"unknown {name} {word!r}", did_you_mean(word, choices))


def _weights(words: list[str] | tuple[()]) -> dict[str, float]:
    weights = {}
    for word in words:
        key, sign, number = word.rpartition("=")
        try:
            weights[key.strip()] = float(number)
        except ValueError as error:
            what = f"--weight {word}: {number!r} is not a number"
            raise UsageError(what, "write KEY=0.5") from error
        if not sign:
            raise UsageError(f"--weight {word}: no classifier is named", "write KEY=0.5")
    return weights
