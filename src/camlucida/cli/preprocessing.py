"""``camlucida fit-preprocessing`` and ``read-transform``: the input as training had it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camlucida.cli.common import (
    DeviceOption,
    app,
    finish,
    print_table,
    print_written,
    progress_bar,
)
from camlucida.cli.predictions import columns_of

if TYPE_CHECKING:
    from camlucida.workflows.preprocessing_fit import Fit, Ranked

HEADS = ("", "pipeline", "agreement", "mean error", "interval", "images")
SHOWN = 8


@app.command("fit-preprocessing")
def fit_preprocessing_command(
    model: Annotated[str, typer.Option("--model", "-m", help="Card, factory or checkpoint.")],
    predictions: Annotated[
        Path, typer.Option(help="Predictions that training stored, as val_predictions.csv.")
    ],
    images: Annotated[Path, typer.Option(help="Folder of their images.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="Weights, in place of those of the card.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="multilabel, binary, multiclass or regression. Default: the model's."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="ROLE=NAME, for a column that is not recognised. Repeatable."),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="The classes in the model's order. Repeatable."),
    ] = None,
    max_images: Annotated[
        int, typer.Option(min=2, help="Images that the final ranking is measured on.")
    ] = 32,
    seconds: Annotated[
        float, typer.Option(min=1, help="After this time no further stage begins.")
    ] = 600,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Card that reproduces the predictions.")
    ] = Path("fitted_card.toml"),
    device: DeviceOption = "auto",
) -> None:
    """Find the preprocessing that reproduces the predictions which training stored."""
    from camlucida.workflows.preprocessing_fit import FitSettings, fit_preprocessing
    from camlucida.workflows.preprocessing_fit.job import UNFITTED

    settings = FitSettings(
        model=model,
        predictions=predictions,
        images=images,
        checkpoint=checkpoint,
        task=task,
        columns=columns_of(column or []),
        classes=tuple(classes or ()),
        most_images=max_images,
        seconds=seconds,
        device=device,
    )
    with progress_bar(None, "trying pipelines") as running:
        fit, card = fit_preprocessing(
            settings,
            out=out,
            progress=running,
            tell=lambda message: print(message, file=sys.stderr),
        )
    print_ranking(fit)
    print_written([card] if card else [])
    finish((), fit.notes)
    if fit.verdict in UNFITTED:
        raise typer.Exit(1)


def print_ranking(fit: Fit) -> None:
    """The best pipelines, a row each."""
    rows = [_row(k, ranked, fit) for k, ranked in enumerate(fit.ranking[:SHOWN], start=1)]
    print_table(HEADS, rows)


def _row(number: int, ranked: Ranked, fit: Fit) -> list[str]:
    from camlucida.workflows.preprocessing_fit.candidates import described

    agreement = ranked.agreement
    interval = agreement.interval(fit.patients)
    same = "–" if agreement.same != agreement.same else f"{agreement.same:.1%}"
    error = "–" if agreement.error != agreement.error else f"{agreement.error:.4f}"
    known = interval.low == interval.low
    limits = f"{interval.low:.4f}–{interval.high:.4f}" if known else "–"
    pipeline = described(ranked.keys) or "as by default"
    return [str(number), pipeline, same, error, limits, str(agreement.images)]


@app.command("read-transform")
def read_transform_command(
    transform: Annotated[
        str, typer.Argument(help="Transform of validation: train.py:val_transform.")
    ],
    channels: Annotated[
        int | None, typer.Option(min=1, max=3, help="Channels of the model: 1 or 3.")
    ] = None,
) -> None:
    """Print the [input] of a card that does what a torchvision, timm or MONAI transform does."""
    from camlucida.core.files import toml_text
    from camlucida.models.transforms import input_of_transform

    stated = {} if channels is None else {"channels": channels}
    spec = input_of_transform(transform, stated, Path.cwd())
    fields = spec.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    steps = fields.pop("steps")
    print("[input]")
    print(toml_text(fields), end="")
    print("steps = [")
    for step in steps:
        print(f"  {toml_text({'step': step}).removeprefix('step = ').strip()},")
    print("]")
