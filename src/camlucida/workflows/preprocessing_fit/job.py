"""From a model, its stored predictions and the images to the card that reproduces them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.files import write_toml
from camlucida.core.messages import Message, Value, declare
from camlucida.io import read_image
from camlucida.io.image import RawImage
from camlucida.io.read import expand_paths
from camlucida.models.assumptions import assumes_size
from camlucida.models.card import Card, is_factory, read_card
from camlucida.models.load import LoadedModel, load_model, of_images
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.models.recognise import recognise
from camlucida.workflows.preprocessing_fit.agreement import StoredOutputs, stored_outputs
from camlucida.workflows.preprocessing_fit.cards import card_fields, portable
from camlucida.workflows.preprocessing_fit.outputs import Outputs
from camlucida.workflows.preprocessing_fit.search import IMAGES, Search
from camlucida.workflows.preprocessing_fit.stored import image_files, stored_predictions
from camlucida.workflows.preprocessing_fit.trials import Ranked, Trials

declare(
    "fit",
    {
        "estimate": (
            "{images} of {stored} images; one pipeline takes about {each} s an image, the search "
            "at most {most}"
        ),
        "same": "the first pipeline reproduces the stored predictions",
        "unchanged": "the card's own preprocessing reproduces the stored predictions",
        "tied": (
            "{count} {count:|other pipeline|other pipelines} cannot be distinguished from it by "
            "these predictions"
        ),
        "close": (
            "no pipeline reproduces the stored predictions; the first comes near them: a step that "
            "was not tried, another library version, or weights of another epoch"
        ),
        "other": (
            "no pipeline reproduces the stored predictions. The usual causes: the predictions are "
            "of the last epoch and the checkpoint is the best one (or the reverse), weights of "
            "another fold, averaged weights (EMA) beside raw ones, classes in another order, "
            "predictions averaged over augmented images, or another network"
        ),
        "constant": (
            "the stored predictions do not vary over the {images} {images:|image|images} compared, "
            "so they cannot tell pipelines apart, and no card is written: give predictions that "
            "differ between images (of more images, or probabilities in place of classes)"
        ),
        "cut": "the time ran out before all stages; give more --seconds",
        "classes_only": (
            "the file stores classes and no probabilities: pipelines with equal classes cannot be "
            "distinguished"
        ),
        "unreadable": "{count} {count:|image|images} could not be read: {names}",
    },
)

MOST_IMAGES = 32
"""Images that the final ranking is measured on."""

SECONDS = 600.0

UNFITTED = ("other", "constant")
"""Verdicts of which no card is written."""

Progress = Callable[..., object]


@dataclass(frozen=True)
class FitSettings:
    """What is fitted.

    Attributes:
        model: card, factory or checkpoint.
        checkpoint: in place of the card's.
        predictions: file of stored predictions.
        images: folder of images.
        task: of the predictions; None takes the model's.
        columns: role → column of the file.
        classes: labels in their order; empty takes the file's, or the card's.
        most_images: that the final ranking is measured on.
        seconds: after which no new stage begins.
        device: of the model.
    """

    model: str
    predictions: Path
    images: Path
    checkpoint: Path | None = None
    task: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    most_images: int = MOST_IMAGES
    seconds: float = SECONDS
    device: str = "auto"


@dataclass(frozen=True)
class Fit:
    """What was found.

    Attributes:
        ranking: pipelines, the best first.
        patients: of the images that they were measured on.
        verdict: of the best: "same" (it reproduces the predictions), "close", "other", or
            "constant" (the predictions do not vary, and cannot tell pipelines apart).
        stated: whether the best is the card's own.
        tried: number of pipelines.
        notes: for the reader.
        task: of the stored predictions; "" for outputs that no table holds.
    """

    ranking: tuple[Ranked, ...]
    patients: tuple[str, ...]
    verdict: str
    stated: bool
    tried: int
    notes: tuple[Message, ...]
    task: str = ""

    @property
    def best(self) -> Ranked:
        """The pipeline that agrees best."""
        return self.ranking[0]


def fit_preprocessing(
    settings: FitSettings,
    *,
    out: Path | None = None,
    progress: Progress = lambda done=0, total=None: None,
    tell: Callable[[Message], object] = lambda message: None,
) -> tuple[Fit, Path | None]:
    """Find the preprocessing that reproduces stored predictions, and write its card.

    Args:
        settings: the model, its predictions and the images.
        out: file of the card; None writes none. None is written where no pipeline fits, or where
            the predictions cannot tell pipelines apart.
        progress: of the pipelines tried.
        tell: takes the message of how long it will take.

    Returns:
        The ranking, and the card that was written.

    Raises:
        UsageError: no image of the predictions is there; whatever reading them refuses.
        ModelError: the model cannot be loaded or run.
    """
    card, base, open_size = _card(settings)
    model = of_images(load_model(card, device=settings.device))
    paths, _ = expand_paths([settings.images])
    fit = fit_loaded(
        model,
        settings.predictions,
        paths,
        task=settings.task,
        columns=settings.columns,
        classes=settings.classes,
        open_size=open_size,
        most_images=settings.most_images,
        seconds=settings.seconds,
        progress=progress,
        tell=tell,
    )
    written = None
    if out is not None and fit.verdict not in UNFITTED:
        stated = card if card.task else card.model_copy(update={"task": fit.task})
        write_toml(out, card_fields(portable(stated, base), fit.best.spec))
        written = out
    return fit, written


def fit_loaded(
    model: LoadedModel,
    file: Path,
    paths: Sequence[Path],
    *,
    task: str | None = None,
    columns: Mapping[str, str] | None = None,
    classes: tuple[str, ...] = (),
    **options: Any,
) -> Fit:
    """Find the preprocessing of a loaded model that reproduces a file of stored predictions.

    Args:
        model: whose card says what is tried first.
        file: the stored predictions.
        paths: image files.
        task, columns, classes: as of :class:`FitSettings`.
        options: as of :func:`fit_stored`.

    Raises:
        UsageError: as of :func:`fit_preprocessing`.
    """
    predictions = stored_predictions(file, model, task, columns or {}, classes)
    if model.output_spec.task is None:
        card = model.card.model_copy(update={"task": predictions.task})
        model = replace(model, card=card, task_from="card")
    files, notes = image_files(predictions, paths, file)
    fit = fit_stored(model, stored_outputs(predictions, files), **options)
    notes = [*predictions.notes, *notes, *fit.notes]
    return replace(fit, task=predictions.task, notes=tuple(notes))


def fit_stored(
    model: LoadedModel,
    stored: StoredOutputs,
    *,
    open_size: bool = False,
    most_images: int = MOST_IMAGES,
    seconds: float = SECONDS,
    keep_stated: bool = False,
    likely: Sequence[InputSpec] = (),
    progress: Progress = lambda done=0, total=None: None,
    tell: Callable[[Message], object] = lambda message: None,
) -> Fit:
    """The same of a loaded model, with stored outputs that are read already.

    Args:
        model: the model, whose card says what is tried first.
        stored: its stored outputs.
        open_size: whether the card's size is only assumed.
        most_images, seconds: as of :class:`FitSettings`.
        keep_stated: whether nothing else is tried where the card's preprocessing reproduces them.
        likely: pipelines that are tried next.
        progress, tell: as of :func:`fit_preprocessing`.

    Raises:
        UsageError: no image can be read, or the model runs with no pipeline.
    """
    rows = _chosen(len(stored.files), most_images)
    images, kept, notes = _read(stored, rows)
    chosen = stored.rows(kept)
    outputs = Outputs(model, stored.task, stored.labels)
    trials = Trials(outputs, images, chosen, seconds, progress)
    tell(_estimate(trials, model.card.input, len(stored.files)))
    dicom = any(image.source.get("format") == "DICOM" for image in images)
    ranking = Search(trials, dicom, keep_stated).run(model.card.input, open_size, likely)
    best = ranking[0]
    notes += _notes(ranking, best.spec == model.card.input, trials.cut)
    return Fit(
        ranking=tuple(ranking),
        patients=chosen.patients,
        verdict=best.agreement.verdict,
        stated=best.spec == model.card.input,
        tried=trials.tried,
        notes=tuple(notes),
    )


def _estimate(trials: Trials, start: InputSpec, stored: int) -> Message:
    rows = trials.informative_rows
    trials.ranked([start], rows[:1], limited=False)  # the first pass is slower than all others
    begun = time.monotonic()
    few = rows[1 : IMAGES[-1]]
    trials.ranked([start], few, limited=False)
    each = (time.monotonic() - begun) / max(1, len(few))
    values: dict[str, Value] = {
        "images": len(trials.images),
        "stored": stored,
        "each": f"{each:.2g}",
        "most": f"{min(trials.seconds, RUNS * each):.0f} s",
    }
    return Message("fit.estimate", values)


RUNS = 2000
"""Images that are prepared and run, all stages together, where no pipeline is right."""


def _notes(ranking: Sequence[Ranked], stated: bool, cut: bool) -> list[Message]:
    best = ranking[0].agreement
    notes = []
    if best.verdict == "same":
        notes.append(Message("fit.unchanged" if stated else "fit.same"))
        tied = [each for each in ranking[1:] if each.agreement.rank[0] - best.rank[0] < TIED]
        if tied:
            notes.append(Message("fit.tied", {"count": len(tied)}))
    elif best.verdict == "constant":
        notes.append(Message("fit.constant", {"images": best.images}))
    else:
        notes.append(Message(f"fit.{best.verdict}"))
    if best.error != best.error:  # NaN: no probability is stored
        notes.append(Message("fit.classes_only"))
    if cut:
        notes.append(Message("fit.cut"))
    return notes


TIED = 2e-4
"""Difference of mean errors below which two pipelines are equally good."""


def _chosen(count: int, most: int) -> list[int]:
    """Rows evenly over the table."""
    if count <= most:
        return list(range(count))
    return [round(k * (count - 1) / (most - 1)) for k in range(most)]


def _read(
    stored: StoredOutputs, rows: Sequence[int]
) -> tuple[list[RawImage], list[int], list[Message]]:
    images, kept, unread = [], [], []
    for row in rows:
        try:
            images.append(read_image(stored.files[row]))
            kept.append(row)
        except CamlucidaError:
            unread.append(stored.files[row].name)
    if not images:
        raise UsageError("none of the images of the predictions can be read")
    notes = []
    if unread:
        names: dict[str, Value] = {"count": len(unread), "names": ", ".join(unread[:5])}
        notes.append(Message("fit.unreadable", names))
    return images, kept, notes


def _card(settings: FitSettings) -> tuple[Card, Path, bool]:
    """The card with absolute paths, its folder, and whether its size is only assumed."""
    path = Path(settings.model).expanduser()
    if path.suffix == ".toml" or is_factory(settings.model):
        card, base = read_card(settings.model, checkpoint=settings.checkpoint)
        return portable(card, base), base, "size" not in card.input.model_fields_set
    task: Any = settings.task
    recognised = recognise(path, task=task)
    labels = {"labels": settings.classes} if settings.classes else {}
    return recognised.update(**labels).card, Path.cwd(), assumes_size(recognised.notes)
