"""Films of the benchmark with their twins, and the proof, film by film and label by label, that a model uses the evidence.

A map is scored only where the proof holds: where it does not, nobody knows what a right map would show.
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
from camlucida.models import LoadedModel
from camlucida.models.card import InputSpec
from camlucida.models.preprocessing import prepare
from camlucida.phantom import trial as phantom
from camlucida.phantom.trial import BENCHMARK_SEEDS, LABELS, Trial

SAYS = 0.5
"""The model says a label whose probability is above this."""
RATIO = 2.0
"""The evidence must move the logit at least this many times as far as distractors of its area and contrast in its stead."""
STRIDE, SLOTS, LAST_SEED = 10_000, 100, 9
"""Seeds of one model's films, models of one benchmark, and its last seed: no patient is shared by two models or two seeds."""
BATCH = 8

USES = (
    "model",
    "image",
    "patient",
    "label",
    "probability",
    "logit",
    "fall",
    "distractor",
    "passed",
    "radius",
    "tag",
)


@dataclass(frozen=True)
class Twins:
    """One film as a model reads it, and its twins.

    Attributes:
        scan: the film.
        patient: the film's seed, as text.
        masks: part → truth in original pixels, for each part on the film.
        radius: label → radius of its largest lesion, pixels of a film of 256.
        without: label or "tag" → the twin that lacks it.
        swapped: label → the twin with distractors of equal area and contrast in its evidence's stead; missing where no room is.
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


def seeds(place: int, seed: int = 0) -> range:
    """Seeds of the films of the model at ``place`` in a benchmark with this ``seed``.

    Raises:
        UsageError: a seed beyond LAST_SEED.
    """
    if not 0 <= seed <= LAST_SEED:
        raise UsageError(f"seed {seed}", f"the benchmark's films have the seeds 0 to {LAST_SEED}")
    first = BENCHMARK_SEEDS.start + STRIDE * (place + SLOTS * seed)
    return range(first, first + STRIDE)


def trials(place: int, number: int, seed: int = 0) -> list[Trial]:
    """The first ``number`` trials of :func:`seeds` that a label is true of."""
    return list(
        islice((each for each in map(phantom.draw, seeds(place, seed)) if any(each.labels)), number)
    )


def scan_of(pixels: NDArray[np.uint8], name: str, spec: InputSpec) -> Scan:
    """A generated film as a model reads it; it says that it is synthetic."""
    image = RawImage(
        pixels=pixels.astype(np.float32) / np.float32(255), display=pixels, id=name, synthetic=True
    )
    return prepare(image, spec)


def twins(trial: Trial, spec: InputSpec) -> Twins:
    """A trial's film with the twins that the proof needs."""
    name = f"seed{trial.seed}"
    film = phantom.expose(trial)

    def drawn(other: Trial) -> Scan:
        return scan_of(phantom.image(other), name, spec)

    labels = [label for label in LABELS if label in film.masks]
    swapped: dict[str, Scan] = {}
    for label in labels:
        try:
            swapped[label] = drawn(phantom.swapped(trial, label))
        except UsageError:  # no room for distractors: the label goes without a proof
            continue
    return Twins(
        scan=scan_of(film.image, name, spec),
        patient=str(trial.seed),
        masks=film.masks,
        radius={label: largest(trial, label) for label in labels},
        without={
            part: drawn(phantom.without(trial, part))
            for part in (*labels, *(("tag",) if trial.tag else ()))
        },
        swapped=swapped,
    )


def largest(trial: Trial, label: str) -> float:
    """Radius of the largest lesion of a label, pixels of a film of 256."""
    kinds = phantom.LESIONS if label == LABELS[2] else (label,)
    return max(lesion.radius for lesion in trial.lesions if lesion.kind in kinds)


def logits(model: LoadedModel, scans: Sequence[Scan]) -> NDArray[np.float64]:
    """(len(scans), labels)."""
    if not scans:
        return np.zeros((0, len(model.card.labels)))
    weight = next(model.module.parameters())
    with torch.inference_mode():
        parts = [
            model.module(
                torch.stack([scan.tensor for scan in scans[start : start + BATCH]]).to(weight)
            )
            for start in range(0, len(scans), BATCH)
        ]
    return np.asarray(torch.cat(parts).double().cpu().numpy(), np.float64)


def passes(probability: float, fall: float, distractor: float) -> bool:
    """Whether a film proves that a model uses a label's evidence.

    It does if the model says the label, the logit falls when the evidence is taken off, and that fall is at least RATIO times
    what distractors of equal area and contrast change on the same bare film.

    >>> passes(0.9, 4.0, -1.5), passes(0.9, 4.0, 2.5), passes(0.4, 4.0, 0.0)
    (True, False, False)
    """
    return probability > SAYS and fall > 0 and fall >= RATIO * abs(distractor)


def verified_use(model: LoadedModel, films: Sequence[Twins]) -> pd.DataFrame:
    """The proof: one row a film and label that is true of it, columns USES.

    ``fall`` is the logit's fall when the evidence is taken off; ``distractor`` the change by distractors in its stead, from the
    same bare film; NaN, and not passed, where they found no room. ``tag``: the film bears the tag.
    """
    rows = []
    for film in films:
        labels = film.labels
        known = [label for label in labels if label in film.swapped]
        found = logits(
            model,
            [film.scan, *(film.without[x] for x in labels), *(film.swapped[x] for x in known)],
        )
        for place, label in enumerate(labels):
            channel = model.card.labels.index(label)
            whole, bare = float(found[0, channel]), float(found[1 + place, channel])
            swap = (
                float(found[1 + len(labels) + known.index(label), channel])
                if label in known
                else float("nan")
            )
            p = float(1 / (1 + np.exp(-whole)))
            fall, distractor = whole - bare, swap - bare
            about = film.radius.get(label, float("nan")), "tag" in film.masks
            proof = p, whole, fall, distractor, passes(p, fall, distractor)
            rows.append((model.name, film.scan.id, film.patient, label, *proof, *about))
    return pd.DataFrame(rows, columns=list(USES))


def tag_reliance(model: LoadedModel, films: Sequence[Twins], label: str) -> pd.DataFrame:
    """How far a label's logit falls without the tag: one row a film that bears it; ``said``: the model says the label."""
    bearing = [film for film in films if "tag" in film.without]
    channel = model.card.labels.index(label)
    pairs = logits(model, [scan for film in bearing for scan in (film.scan, film.without["tag"])])[
        :, channel
    ].reshape(-1, 2)
    said = 1 / (1 + np.exp(-pairs[:, 0])) > SAYS
    return pd.DataFrame(
        {
            "model": model.name,
            "image": [film.scan.id for film in bearing],
            "patient": [film.patient for film in bearing],
            "label": label,
            "fall": pairs[:, 0] - pairs[:, 1],
            "said": said,
            "shown": [label in film.masks for film in bearing],
        }
    )


def samples(films: Sequence[Twins], labels: Mapping[str, Collection[str]]) -> list[Sample]:
    """What is scored: of each film the ``labels`` of its image.

    The conjunction gets a sample of its own, for its evidence holds that of both lesions: against theirs it is not specific.
    """
    found = []
    for film in films:
        chosen = [label for label in film.labels if label in labels.get(film.scan.id, ())]
        regions = {name: film.masks[name] for name in ("tag", "bar") if name in film.masks}
        for part in ([x for x in chosen if x != LABELS[2]], [x for x in chosen if x == LABELS[2]]):
            if part:
                found.append(
                    Sample(
                        film.scan,
                        film.patient,
                        {label: film.masks[label] for label in part},
                        {},
                        regions,
                    )
                )
    return found


def passed(uses: pd.DataFrame) -> dict[str, list[str]]:
    """Image → the labels that passed."""
    return {
        str(image): list(part["label"])
        for image, part in uses[uses["passed"]].groupby("image", sort=False)
    }
