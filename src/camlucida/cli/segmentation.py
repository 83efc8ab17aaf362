"""``camlucida explain-segmentation``: a checkpoint and images in; maps, numbers, report out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camlucida.cli.common import (
    ColormapOption,
    DeidentifyOption,
    DeviceOption,
    LanguageOption,
    app,
    command_line,
    finish,
    output_folder,
    print_table,
    progress_bar,
    resumable,
)
from camlucida.cli.option_words import command_with_lists
from camlucida.core.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from camlucida.workflows.segmentation import Images, SegmentationOutcome

MODES = ("single", "batch")


@app.command(
    "explain-segmentation",
    cls=command_with_lists("--methods", "--target-layer", "--target"),
)
def explain_segmentation_command(
    model_path: Annotated[
        Path,
        typer.Option(help="Checkpoint (.pth, .pt, .safetensors), or a folder with best_model.pth."),
    ],
    mode: Annotated[
        str | None,
        typer.Option(
            help="single (--image-path) or batch (--data-dir). Default: whichever is given."
        ),
    ] = None,
    image_path: Annotated[Path | None, typer.Option(help="One image.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder with test/ or images/, and masks/ if there are any.")
    ] = None,
    num_samples: Annotated[int, typer.Option(min=1, help="Images drawn from --data-dir.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    mask_dir: Annotated[
        Path | None,
        typer.Option(
            help="True masks: a folder of files named like the images, or COCO JSON, Pascal VOC, "
            "DICOM SEG. Default: masks/, Masks/, or annotations beside the images."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Model card or factory. Default: recognised from the checkpoint."
        ),
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            help="Architecture of segmentation-models-pytorch: UnetPlusPlus, … Default: recognised."
        ),
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Its encoder: efficientnet-b5, … Default: recognised.")
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Pixels a side of the model's input. Default: the card's, else 640."
        ),
    ] = None,
    target_layer: Annotated[
        list[str] | None,
        typer.Option(
            help="encoder_last, encoder_mid, encoder_early, decoder_mid, decoder_last, seg_head, "
            "or a path. Repeatable, or joined by blanks or commas. Default: encoder_last."
        ),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            help="gradcam, gradcam++, scorecam, layercam, … Repeatable, or joined by blanks or "
            "commas. Default: gradcam."
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="Region: predicted, true, component:1 (the largest), pixel:ROW,COLUMN, or a "
            "label. Repeatable, or joined by blanks. Default: predicted."
        ),
    ] = None,
    output_dir: Annotated[Path, typer.Option(help="Folder for all output.")] = Path(
        "gradcam_results"
    ),
    device: DeviceOption = "auto",
    colormap: ColormapOption = None,
    language: LanguageOption = "en",
    batch_size: Annotated[int, typer.Option(min=1, help="Images in one forward pass.")] = 1,
    deidentify: DeidentifyOption = False,
) -> None:
    """Explain a segmentation model: maps, heat inside and outside of regions, report.

    An interrupted call is resumed by the same command.
    """
    from camlucida.workflows.segmentation import explain_segmentation

    images = _images(mode, image_path, data_dir, mask_dir, num_samples, seed)
    with (
        resumable(),
        output_folder(output_dir),
        progress_bar(None, "explaining") as progress,
    ):
        outcome = explain_segmentation(
            model_path,
            images,
            output_dir,
            model=model,
            architecture=architecture,
            encoder=encoder,
            image_size=image_size,
            targets=target or ["predicted"],
            methods=_listed(methods) or ["gradcam"],
            layers=_listed(target_layer) or ["encoder_last"],
            device=device,
            batch_size=batch_size,
            command=command_line(),
            deidentify=deidentify,
            progress=progress,
        )
    _print_outcome(outcome)
    finish(outcome.failures)


def _print_outcome(outcome: SegmentationOutcome) -> None:
    """The messages of the report, the table of ratios, and the files."""
    from camlucida.workflows.segmentation.page import section_title
    from camlucida.workflows.segmentation.report import HEAD, map_lines

    for section, messages in outcome.messages.items():
        # The table holds what the messages on maps state; errors are printed at the end.
        if section not in ("maps", "missing"):
            print("\n  ".join([f"{section_title(section)}:", *map(str, messages)]))
    if len(outcome.summary):
        print_table(HEAD, map_lines(outcome.summary))
    out = outcome.out
    print(f"report: {out}/index.html, {out}/report.md, {out}/statistics.csv")


def _images(
    mode: str | None,
    image_path: Path | None,
    data_dir: Path | None,
    mask_dir: Path | None,
    num_samples: int,
    seed: int,
) -> Images:
    """The images of one file or of a folder; the mode decides where both are given."""
    from camlucida.workflows.segmentation import one_image, sampled_images

    if mode not in (None, *MODES):
        raise UsageError(f"unknown mode {mode!r}", did_you_mean(str(mode), MODES))
    if mode is None and image_path is not None and data_dir is not None:
        fix = "or choose one by --mode single or --mode batch"
        raise UsageError("give either --image-path or --data-dir", fix)
    if image_path is not None and mode != "batch":
        return one_image(image_path, mask_dir)
    if data_dir is not None and mode != "single":
        return sampled_images(data_dir, mask_dir, num_samples, seed)
    if mode is None:
        raise UsageError("give either --image-path or --data-dir")
    option = "--image-path" if mode == "single" else "--data-dir"
    raise UsageError(f"--mode {mode} needs {option}")


def _listed(words: list[str] | None) -> list[str]:
    """Repeated options and comma-separated lists alike."""
    parts = ",".join(words or []).split(",")
    return [part.strip() for part in parts if part.strip()]
