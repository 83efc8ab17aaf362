"""From a checkpoint and images to maps, numbers, figures and a report.

The maps are computed through a run folder, so a killed call loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.attribution.methods import method_names
from camlucida.core.errors import CamlucidaError
from camlucida.core.failures import Failure
from camlucida.core.files import slug, unique, write_bytes, write_json
from camlucida.core.messages import Message
from camlucida.core.provenance import versions
from camlucida.io.keyed_files import inputs_folder
from camlucida.io.message_tables import add_english
from camlucida.io.records import records_of
from camlucida.models import load_model
from camlucida.models.assumptions import RecognisedCard
from camlucida.report.document import View
from camlucida.runs import Run, execute
from camlucida.runs.keyed import (
    GIVEN,
    IMAGE_NAMES,
    kept_failure,
    kept_record,
    keyed_folder,
)
from camlucida.workflows.segmentation import report
from camlucida.workflows.segmentation.image_choice import Images
from camlucida.workflows.segmentation.inputs import (
    layers_of,
    segmentation_card,
    target_word,
    write_cohort,
)
from camlucida.workflows.segmentation.page import SegmentationReport, write_report
from camlucida.workflows.segmentation.pictures import write_pictures
from camlucida.workflows.segmentation.run_view import SegmentationRun
from camlucida.workflows.segmentation.statistics import agreement, map_row, overlap, summarise
from camlucida.workflows.segmentation.view import write_view

Progress = Callable[..., object]


@dataclass
class SegmentationOutcome:
    """What was written.

    Attributes:
        out: folder.
        statistics: a row a map, as ``statistics.csv``.
        summary: means, as ``batch_summary.csv``.
        messages: of the report, by section: model, images, segmentation, maps, limits, missing.
        failures: images without a map, and masks that cannot be read.
        figures: image → names of its PNG files.
        views: image → its film and maps for the viewer.
    """

    out: Path
    statistics: pd.DataFrame = field(default_factory=pd.DataFrame)
    summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    messages: dict[str, list[Message]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    figures: dict[str, list[str]] = field(default_factory=dict)
    views: dict[str, tuple[View, ...]] = field(default_factory=dict)


def explain_segmentation(
    model_path: str | Path,
    images: Images,
    out: str | Path,
    *,
    model: str | None = None,
    architecture: str | None = None,
    encoder: str | None = None,
    image_size: int | None = None,
    targets: Sequence[str] = ("predicted",),
    methods: Sequence[str] = ("gradcam",),
    layers: Sequence[str] = ("encoder_last",),
    device: str = "auto",
    batch_size: int = 1,
    command: str = "",
    deidentify: bool = False,
    progress: Progress = lambda done=0, total=None: None,
) -> SegmentationOutcome:
    """Explain a segmentation model.

    Args:
        model_path, model, architecture, encoder, image_size: as in
            :func:`~camlucida.workflows.segmentation.segmentation_card`.
        images: from :func:`~camlucida.workflows.segmentation.one_image` or ``sampled_images``.
        out: made if missing. Maps of a killed call are taken up.
        targets: predicted, true, component:N, pixel:ROW,COLUMN, or any of
            :func:`camlucida.attribution.requests.parse_target`.
        methods, layers: names; the sheet shows the first of each.
        device: as in :func:`camlucida.models.load_model`.
        batch_size: images in one forward.
        command: the command line, for the record; it names files, so ``deidentify`` leaves it out.
        deidentify: keyed names, as in :func:`camlucida.runs.execute`.
        progress: called with what was done since the last call, and with the total.

    Raises:
        UsageError, ModelError, LayerError: the request fits no image; no map is computed.
    """
    out = Path(out)
    keyed = keyed_folder(out / "run", deidentify)
    inputs = inputs_folder(out, keyed)
    recognised = segmentation_card(
        Path(model_path),
        model=model,
        architecture=architecture,
        encoder=encoder,
        image_size=image_size,
    )
    requested = list(dict.fromkeys(map(target_word, targets)))
    names = method_names(methods)
    loaded = load_model(recognised.card, device=device)
    resolved = layers_of(loaded, list(dict.fromkeys(layers)))
    del loaded  # the run loads it again, perhaps in another process
    layer_names = [layer.name for layer in resolved]
    ran = execute(
        write_cohort(inputs, recognised.card, images, requested, names, layer_names),
        out / "run",
        resume=True,
        device=device,
        batch_size=batch_size,
        about={"command": command, "versions": versions(), IMAGE_NAMES: GIVEN},
        deidentify=keyed,
        progress=progress,
    )
    run = SegmentationRun(Run.open(ran.folder), resolved)
    outcome = SegmentationOutcome(out, failures=list(ran.failures))
    _report(run, recognised, images, outcome, "" if keyed else command, progress)
    return outcome


def _report(
    run: SegmentationRun,
    recognised: RecognisedCard,
    images: Images,
    outcome: SegmentationOutcome,
    command: str,
    progress: Progress,
) -> None:
    """Everything after the run: numbers, figures, tables and report."""
    overlaps = overlap(run)
    _measure(run, overlaps, outcome, progress)
    about = run.run.about
    outcome.failures += run.failures
    rows = outcome.statistics
    outcome.summary = summarise(rows) if len(rows) else pd.DataFrame()
    figures = agreement(overlaps)
    outcome.messages = _messages(run, recognised, images, outcome, figures)
    synthetic = bool(run.cases) and bool(run.run.predictions()["synthetic"].any())
    _write_tables(outcome, overlaps, figures, kept_record(about, {"command": command}), synthetic)
    document = SegmentationReport(
        run,
        outcome.messages,
        outcome.summary,
        rows,
        outcome.figures,
        outcome.views,
        command,
        synthetic,
    )
    write_report(document, outcome.out)


def _measure(
    run: SegmentationRun,
    overlaps: pd.DataFrame,
    outcome: SegmentationOutcome,
    progress: Progress,
) -> None:
    """Numbers and figures, one image in memory at a time."""
    all_rows: list[dict[str, Any]] = []
    stems: set[str] = set()
    progress(0, total=2 * len(run.cases))
    for case in run.cases:
        stem = unique(slug(case.image), stems)
        try:
            maps = {index: run.run.explanation(index) for index in case.maps}
            rows = {}
            for index, explanation in maps.items():
                rows[index] = map_row(run, case, index, explanation, overlaps)
            files = write_pictures(run, case, maps, rows, outcome.out, stem) if maps else []
            outcome.figures[case.image] = files
            outcome.views[case.image] = write_view(run, case, maps, outcome.out, stem)
            all_rows += rows.values()
        except CamlucidaError as error:
            failure = Failure(case.image, error.code, f"{case.path}: {error.what}", error.fix)
            outcome.failures.append(kept_failure(run.run.about, failure))
        progress(1)
    outcome.statistics = pd.DataFrame(all_rows)


def _messages(
    run: SegmentationRun,
    recognised: RecognisedCard,
    images: Images,
    outcome: SegmentationOutcome,
    figures: pd.DataFrame,
) -> dict[str, list[Message]]:
    """The messages of the report by section; a section without any is left out."""
    rows = outcome.statistics
    sections = {
        "model": list(report.model_messages(run, recognised)),
        "images": list(report.image_messages(run, images)),
        "segmentation": [*report.overlap_messages(figures), *report.empty_messages(run)],
    }
    if len(rows):
        sections["maps"] = list(report.map_messages(outcome.summary, rows))
        sections["limits"] = list(report.circular_messages(rows))
    sections["missing"] = list(report.missing_messages(run, outcome.failures))
    return {name: messages for name, messages in sections.items() if messages}


def _write_tables(
    outcome: SegmentationOutcome,
    overlaps: pd.DataFrame,
    figures: pd.DataFrame,
    about: Mapping[str, Any],
    synthetic: bool,
) -> None:
    """``statistics.csv``, ``batch_summary.csv``, ``overlap.csv`` and ``batch_summary.json``."""
    tables = {
        "statistics": add_english(outcome.statistics, "empty_reason"),
        "batch_summary": outcome.summary,
        "overlap": overlaps,
    }
    for name, frame in tables.items():
        write_bytes(outcome.out / f"{name}.csv", frame.to_csv(index=False).encode())
    document = {
        "notice": "Research use only",
        "synthetic": synthetic,
        **{IMAGE_NAMES: GIVEN, **about},
        "segmentation": _records(figures),
        "maps": _records(outcome.summary),
        "messages": outcome.messages,
        "failures": outcome.failures,
    }
    write_json(outcome.out / "batch_summary.json", document)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows for JSON, which has no NaN and no ∞: they become None."""
    finite = frame.astype(object).replace([float("inf"), float("-inf")], None)
    return records_of(finite.where(frame.notna(), None))
