"""Films of the benchmark with their twins, and the proof that a model uses the evidence on them.

A map is scored only where the proof holds, film by film and label by label: elsewhere the map that
would be right is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from camlucida.core.errors import UsageError
from camlucida.core.scan import Scan
from camlucida.evaluation.maps.measure import Sample
from camlucida.io import RawImage
from camlucida.metrics.annotations import Mask
from camlucida.metrics.multilabel import DECISION_THRESHOLD
from camlucida.models import LoadedModel
from camlucida.models.preprocessing import prepare
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.phantom import trial as phantom
from camlucida.phantom.trial import BENCHMARK_SEEDS, LABELS, Trial

RATIO = 2.0
"""The evidence must move the logit at least this many times as far as distractors of equal area and
contrast in its place."""
STRIDE, SLOTS, LAST_SEED = 10_000, 100, 9
"""Seeds of one model's films, models of one benchmark, and its last seed: no patient is shared by
two models or two seeds."""
BATCH = 8

VERIFICATION = (
    "model",
    "image",
    "patient",
    "label",
    "probability",
    "logit",
    "logit_drop",
    "distractor_change",
    "passed",
    "radius",
    "tag",
)
"""Columns of :func:`verify_use`."""


@dataclass(frozen=True)
class Twins:
    """One film as a model reads it, and its twins.

    Attributes:
        scan: the film.
        patient: the film's seed, as text.
        masks: part → ground truth in original pixels, for each part on the film.
        radius: label → radius of its largest lesion, pixels of a film of 256.
        without: label or "tag" → the twin that lacks it.
        swapped: label → the twin with distractors of equal area and contrast in place of its
            evidence; missing where there is no room for them.
    """

    scan: Scan
    patient: str
    masks: Mapping[str, Mask]
    radius: Mapping[str, float] = field(default_factory=dict)
    without: Mapping[str, Scan] = field(default_factory=dict)
    swapped: Mapping[str, Scan] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that are true of the film."""
        return tuple(label for label in LABELS if label in self.masks)


def seeds(slot: int, seed: int = 0) -> range:
    """Seeds of the films of the model in a slot of a benchmark with this ``seed``.

    Raises:
        UsageError: a seed beyond LAST_SEED.

    >>> set(seeds(0)) & set(seeds(1))
    set()
    """
    if not 0 <= seed <= LAST_SEED:
        raise UsageError(f"seed {seed}", f"the benchmark's films have the seeds 0 to {LAST_SEED}")
    first = BENCHMARK_SEEDS.start + STRIDE * (slot + SLOTS * seed)
    return range(first, first + STRIDE)


def trials(slot: int, number: int, seed: int = 0) -> list[Trial]:
    """The first ``number`` trials of :func:`seeds` that have a label."""
    drawn = map(phantom.draw, seeds(slot, seed))
    return list(islice((trial for trial in drawn if any(trial.labels)), number))


def scan_of(pixels: NDArray[np.uint8], name: str, spec: InputSpec) -> Scan:
    """A generated film as a model reads it, marked as synthetic."""
    grey = pixels.astype(np.float32) / np.float32(255)
    return prepare(RawImage(pixels=grey, display=pixels, id=name, synthetic=True), spec)


def twins(trial: Trial, spec: InputSpec) -> Twins:
    """A trial's film with the twins that the proof needs."""
    name = f"seed{trial.seed}"
    film = phantom.expose(trial)

    def drawn(other: Trial) -> Scan:
        return scan_of(phantom.image(other), name, spec)

    labels = [label for label in LABELS if label in film.masks]
    removable = [*labels, "tag"] if trial.tag else labels
    swapped: dict[str, Scan] = {}
    for label in labels:
        try:
            swapped[label] = drawn(phantom.swapped(trial, label))
        except UsageError:
            # No room for distractors: the label goes without a proof.
            continue
    return Twins(
        scan=scan_of(film.image, name, spec),
        patient=str(trial.seed),
        masks=film.masks,
        radius={label: largest_radius(trial, label) for label in labels},
        without={part: drawn(phantom.without(trial, part)) for part in removable},
        swapped=swapped,
    )


def largest_radius(trial: Trial, label: str) -> float:
    """Radius of the largest lesion of a label, pixels of a film of 256."""
    kinds = phantom.LESIONS if label == LABELS[2] else (label,)
    return max(lesion.radius for lesion in trial.lesions if lesion.kind in kinds)


def logits(model: LoadedModel, scans: Sequence[Scan]) -> NDArray[np.float64]:
    """The model's logits, (len(scans), labels)."""
    if not scans:
        return np.zeros((0, len(model.card.labels)))
    weight = next(model.module.parameters())
    parts = []
    with torch.inference_mode():
        for start in range(0, len(scans), BATCH):
            inputs = [scan.tensor for scan in scans[start : start + BATCH]]
            parts.append(model.module(torch.stack(inputs).to(weight)))
    return np.asarray(torch.cat(parts).double().cpu().numpy(), np.float64)


def passes(probability: float, logit_drop: float, distractor_change: float) -> bool:
    """Whether a film proves that a model uses a label's evidence.

    It does if the model predicts the label, the logit drops when the evidence is removed, and that
    drop is at least RATIO times the change by distractors of equal area and contrast on the same
    bare film.

    >>> passes(0.9, 4.0, -1.5), passes(0.9, 4.0, 2.5), passes(0.4, 4.0, 0.0)
    (True, False, False)
    """
    large = logit_drop >= RATIO * abs(distractor_change)
    return probability > DECISION_THRESHOLD and logit_drop > 0 and large


def verify_use(model: LoadedModel, films: Sequence[Twins]) -> pd.DataFrame:
    """The proof: one row for each film and true label, columns VERIFICATION.

    ``logit_drop`` is the drop of the logit when the evidence is removed; ``distractor_change`` the
    change by distractors in its place, from the same bare film. It is NaN, and the proof fails,
    where distractors found no room. ``tag``: the film bears the tag.
    """
    rows = []
    for film in films:
        rows += _verify_film(model, film)
    return pd.DataFrame(rows, columns=list(VERIFICATION))


def _verify_film(model: LoadedModel, film: Twins) -> list[dict[str, object]]:
    labels = film.labels
    bare = [film.without[label] for label in labels]
    swappable = [label for label in labels if label in film.swapped]
    swapped = [film.swapped[label] for label in swappable]
    # One pass over the film and all its twins.
    values = logits(model, [film.scan, *bare, *swapped])
    whole, without = values[0], dict(zip(labels, values[1:]))
    with_distractors = dict(zip(swappable, values[1 + len(labels) :]))
    rows: list[dict[str, object]] = []
    for label in labels:
        channel = model.card.labels.index(label)
        logit, bare_logit = float(whole[channel]), float(without[label][channel])
        change = float("nan")
        if label in with_distractors:
            change = float(with_distractors[label][channel]) - bare_logit
        probability = float(1 / (1 + np.exp(-logit)))
        rows.append(
            {
                "model": model.name,
                "image": film.scan.id,
                "patient": film.patient,
                "label": label,
                "probability": probability,
                "logit": logit,
                "logit_drop": logit - bare_logit,
                "distractor_change": change,
                "passed": passes(probability, logit - bare_logit, change),
                "radius": film.radius.get(label, float("nan")),
                "tag": "tag" in film.masks,
            }
        )
    return rows


def tag_reliance(model: LoadedModel, films: Sequence[Twins], label: str) -> pd.DataFrame:
    """How far a label's logit drops without the tag: one row a film that bears it.

    ``predicted``: the model predicts the label; ``shown``: the label's lesions are on the film.
    """
    bearing = [film for film in films if "tag" in film.without]
    channel = model.card.labels.index(label)
    tagged = logits(model, [film.scan for film in bearing])[:, channel]
    untagged = logits(model, [film.without["tag"] for film in bearing])[:, channel]
    return pd.DataFrame(
        {
            "model": model.name,
            "image": [film.scan.id for film in bearing],
            "patient": [film.patient for film in bearing],
            "label": label,
            "logit_drop": tagged - untagged,
            "predicted": 1 / (1 + np.exp(-tagged)) > DECISION_THRESHOLD,
            "shown": [label in film.masks for film in bearing],
        }
    )


def samples(films: Sequence[Twins], labels: Mapping[str, Collection[str]]) -> list[Sample]:
    """What is scored: of each film the ``labels`` of its image.

    The conjunction gets a sample of its own, for its evidence holds that of both lesions: against
    theirs it is not specific.
    """
    conjunction = LABELS[2]
    drawn = []
    for film in films:
        chosen = [label for label in film.labels if label in labels.get(film.scan.id, ())]
        single = [label for label in chosen if label != conjunction]
        both = [label for label in chosen if label == conjunction]
        regions = {name: film.masks[name] for name in ("tag", "bar") if name in film.masks}
        for part in filter(None, (single, both)):
            masks = {label: film.masks[label] for label in part}
            drawn.append(Sample(film.scan, film.patient, masks, {}, regions))
    return drawn


def passed(verification: pd.DataFrame) -> dict[str, list[str]]:
    """Image → the labels that passed."""
    groups = verification[verification["passed"]].groupby("image", sort=False)
    return {str(image): list(part["label"]) for image, part in groups}
