"""``camlucida export``: explanations in the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import (
    ColormapOption,
    command_record,
    fetched_run,
    finish,
    output_folder,
    print_failure,
    progress_bar,
    subcommands,
)

export_app = subcommands("export", "Write explanations in the formats of other tools.")


@export_app.command("dicom")
def export_dicom_command(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder or address of a run, or folder of explain, whose images are DICOM files.",
            callback=fetched_run,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder of the objects. Default: dicom, or dicom_deidentified, in SOURCE.",
        ),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(help="Regions are where a map reaches this share of its maximum, in (0, 1]."),
    ] = 0.5,
    contours: Annotated[
        bool,
        typer.Option("--contours", help="Also presentation states with contours of the regions."),
    ] = False,
    fractional: Annotated[
        bool,
        typer.Option("--fractional", help="Also the maps themselves, as fractional segmentations."),
    ] = False,
    nominal_plane: Annotated[
        bool,
        typer.Option(
            "--nominal-plane",
            help="Segmentations of films state a plane, without which OHIF opens none. It is not "
            "that of the patient.",
        ),
    ] = False,
    deidentify: Annotated[
        bool,
        typer.Option(
            "--deidentify",
            help="Without the patient's name and dates, with keyed identifiers and file names; "
            "letters burned into the pixels stay.",
        ),
    ] = False,
    colormap: ColormapOption = None,
) -> None:
    """Write explanations as DICOM objects in the studies of their images: overlays (secondary
    capture), regions (segmentation) and a structured report. Research use only."""
    from camlucida.workflows.dicom_export import ExportRequest, export_dicom
    from camlucida.workflows.dicom_export.stored import stored_images

    folder = out or source / ("dicom_deidentified" if deidentify else "dicom")
    request = ExportRequest(threshold, contours, fractional, deidentify, colormap, nominal_plane)
    stored = stored_images(source)  # of several models each image several times
    total = len({image.id for image in stored})
    with output_folder(folder), progress_bar(len(stored), "exporting") as progress:
        outcome = export_dicom(source, folder, request, command_record(), progress, print_failure)
    images, objects = len({record["id"] for record in outcome.records}), len(outcome.files)
    print(f"{images} of {total} images exported, {objects} DICOM objects: {folder}")
    finish(outcome.failures, outcome.notes, printed=True)
