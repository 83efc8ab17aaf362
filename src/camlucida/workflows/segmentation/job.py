"""From a checkpoint and images to maps, numbers, figures and a report; the maps through a run folder, which loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.core.errors import CamlucidaError
from camlucida.core.files import slug, unique, write_bytes, write_json
from camlucida.core.provenance import versions
from camlucida.models import Card, load_model
from camlucida.models.assumptions import RecognisedCard
from camlucida.report.page import render
from camlucida.runs import Run, execute
from camlucida.workflows.segmentation import words
from camlucida.workflows.segmentation.inputs import (
    Images,
    assumptions,
    layers_of,
    method_name,
    segmentation_card,
    target_word,
    write_cohort,
)
from camlucida.workflows.segmentation.pictures import write_pictures
from camlucida.workflows.segmentation.statistics import (
    SegmentationCase,
    SegmentationRun,
    agreement,
    map_row,
    overlap,
    summarise,
)


@dataclass
class SegmentationOutcome:
    """What was written.

    Attributes:
        out: folder.
        statistics: a row a map, as ``statistics.csv``.
        summary: means, as ``batch_summary.csv``.
        sentences: of ``report.txt``, by section.
        failures: (image, line) of images without a map, or with something that could not be read.
        figures: image → names of its PNG files.
    """

    out: Path
    statistics: pd.DataFrame = field(default_factory=pd.DataFrame)
    summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    sentences: dict[str, list[str]] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)
    figures: dict[str, list[str]] = field(default_factory=dict)


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
    progress: Callable[..., object] = lambda done=0, total=None: None,
) -> SegmentationOutcome:
    """Explain a segmentation model; see ``docs/how-to/segmentation.md`` for what is written into ``out``.

    Args:
        model_path, model, architecture, encoder, image_size: as :func:`~camlucida.workflows.segmentation.segmentation_card`.
        images: from :func:`~camlucida.workflows.segmentation.one_image` or ``sampled_images``.
        out: made if missing. Maps that a killed process left behind are taken up.
        targets: predicted, true, component:N, pixel:ROW,COLUMN, or any of :func:`camlucida.attribution.targets.parse_target`.
        methods, layers: names; the sheet shows the first of each.
        batch_size: images in one forward.
        progress: called with what was done since the last call, and with the total.

    Raises:
        UsageError, ModelError, LayerError: the request fits no image; no map is computed.
    """
    out = Path(out)
    recognised = segmentation_card(
        Path(model_path),
        model=model,
        architecture=architecture,
        encoder=encoder,
        image_size=image_size,
    )
    asked = list(dict.fromkeys(map(target_word, targets)))
    names = list(dict.fromkeys(map(method_name, methods)))
    card = recognised.card
    loaded = load_model(card, device=device)
    shown = layers_of(loaded, list(dict.fromkeys(layers)))
    del loaded
    cohort = write_cohort(out, card, images, asked, names, [layer.name for layer in shown])
    about = {"command": command, "versions": versions()}
    ran = execute(
        cohort,
        out / "run",
        resume=True,
        device=device,
        batch_size=batch_size,
        about=about,
        progress=progress,
    )
    study = SegmentationRun(Run.open(ran.folder), shown)
    outcome = SegmentationOutcome(out, failures=[(each.image, str(each)) for each in ran.failures])
    overlaps = overlap(study)
    _each_image(study, overlaps, outcome, progress)
    outcome.failures += study.problems
    outcome.summary = summarise(outcome.statistics) if len(outcome.statistics) else pd.DataFrame()
    figures = agreement(overlaps)
    outcome.sentences = _sentences(
        study, recognised, _stated(model, image_size), images, outcome, figures
    )
    _write(study, card, outcome, overlaps, figures, command)
    return outcome


def _each_image(
    study: SegmentationRun,
    overlaps: pd.DataFrame,
    outcome: SegmentationOutcome,
    progress: Callable[..., object],
) -> None:
    """Numbers and figures, one image in memory at a time."""
    found: list[dict[str, Any]] = []
    taken: set[str] = set()
    progress(0, total=2 * len(study.cases))
    for case in study.cases:
        try:
            maps = {index: study.run.explanation(index) for index in case.maps}
            rows = {
                index: map_row(study, case, index, explanation, overlaps)
                for index, explanation in maps.items()
            }
            stem = unique(slug(case.image), taken)
            outcome.figures[case.image] = (
                write_pictures(study, case, maps, rows, outcome.out, stem) if maps else []
            )
            found += rows.values()
        except CamlucidaError as error:
            outcome.failures.append((case.image, f"{case.path}: {error}"))
        progress(1)
    outcome.statistics = pd.DataFrame(found)


def _stated(model: str | None, image_size: int | None) -> str:
    """Where the model's input is known from."""
    rest = (
        "as the model card has it"
        if model is not None
        else "assumed, for the checkpoint does not say"
    )
    return rest if image_size is None else f"its size as given, the rest {rest}"


def _sentences(
    study: SegmentationRun,
    recognised: RecognisedCard,
    stated: str,
    images: Images,
    outcome: SegmentationOutcome,
    figures: pd.DataFrame,
) -> dict[str, list[str]]:
    about = study.run.about
    rows, cases = outcome.statistics, study.cases
    model = about["models"][0]
    explained = sum(bool(case.maps) for case in cases)
    has = "has" if 1 in (explained, about["images"]) else "have"
    data = [
        f"Chosen: {images.rule}.",
        f"{explained} of {words.plural(about['images'], 'image')} {has} a map.",
    ]
    if not about["patients_known"]:
        data.append("Whose they are is not known: each image counts as a patient of its own.")
    truths, source = (
        sum(case.truth is not None for case in cases),
        f", from {images.masks}" if images.masks else "",
    )
    has = "has" if 1 in (truths, len(cases)) else "have"
    data.append(f"{truths} of {words.plural(len(cases), 'image')} {has} a true mask{source}.")
    if truths and len(study.labels) > 1:
        data.append(
            "A mask names no label: it is taken for the truth of every label that was explained."
        )
    seen = {
        "Model": [
            f"{model['name']}, weights sha256 {model['sha256']}.",
            *(f"{words.capital(line)}." for line in _model_lines(recognised)),
            f"Input, {stated}: {assumptions(recognised.card)}.",
            *(
                f"{layer.name} is {layer.path}: {' × '.join(map(str, layer.shape))}."
                for layer in study.layers
            ),
        ],
        "Images": data,
        "Segmentation": list(words.overlap_sentences(figures)),
        "Maps": list(words.map_sentences(outcome.summary, rows)) if len(rows) else [],
        "What the ratios cannot show": list(words.circular_sentences(rows)) if len(rows) else [],
        "Without a map": [*(line for _, line in outcome.failures), *_missing(cases)],
    }
    return {title: lines for title, lines in seen.items() if lines}


def _model_lines(recognised: RecognisedCard) -> list[str]:
    """What the model was recognised as and what is assumed; else what its card says."""
    if recognised.notes:
        return [str(note) for note in recognised.notes]
    return [recognised.card.description] if recognised.card.description else []


def _missing(cases: Sequence[SegmentationCase]) -> Iterator[str]:
    yield from (f"{case.image}: {case.note}" for case in cases if case.note and case.maps)


def _write(
    study: SegmentationRun,
    card: Card,
    outcome: SegmentationOutcome,
    overlaps: pd.DataFrame,
    figures: pd.DataFrame,
    command: str,
) -> None:
    """Tables, text and page."""
    out, synthetic = (
        outcome.out,
        bool(study.run.predictions()["synthetic"].any()) if study.cases else False,
    )
    for name, frame in {
        "statistics": outcome.statistics,
        "batch_summary": outcome.summary,
        "overlap": overlaps,
    }.items():
        write_bytes(out / f"{name}.csv", frame.to_csv(index=False).encode())
    notice = f"Research use only{'. SYNTHETIC images' if synthetic else ''}."
    tables = {
        "segmentation": _records(figures),
        "maps": _records(outcome.summary),
        "sentences": outcome.sentences,
    }
    write_json(out / "batch_summary.json", {"notice": notice, "command": command, **tables})
    sections = [
        f"{title}\n{'-' * len(title)}\n" + "".join(f"{line}\n" for line in lines)
        for title, lines in outcome.sentences.items()
    ]
    write_bytes(out / "report.txt", "\n".join([f"{notice}\n", *sections]).encode())
    rows: dict[str, list[dict[Any, Any]]] = {}
    for row in outcome.statistics.to_dict("records"):
        rows.setdefault(str(row["image"]), []).append(row)
    images = [
        (case, outcome.figures.get(case.image, []), rows.get(case.image, []))
        for case in study.cases
    ]
    render(
        "segmentation.html.j2",
        out / "index.html",
        images=images,
        sentences=outcome.sentences,
        summary=outcome.summary.to_dict("records"),
        several=len(study.labels) > 1,
        name=study.run.about["models"][0]["name"],
        synthetic=synthetic,
        command=command,
        shown=words.number,
        percent=words.percent,
    )


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """JSON has no NaN and no ∞: None."""
    finite = frame.astype(object).where(frame.notna(), None)
    return [
        {
            str(key): None if value in (float("inf"), float("-inf")) else value
            for key, value in row.items()
        }
        for row in finite.to_dict("records")
    ]
