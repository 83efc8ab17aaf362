"""The semi-synthetic arm: lesions pasted on real radiographs, with twins.

The ground truth is known, and the background is real.

The lungs of a real film are not known: lesions are scattered over the phantom's mean lung fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.io import expand_paths, read_image
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.phantom import trial as phantom
from camlucida.phantom.anatomy import Array
from camlucida.phantom.exposure import stream
from camlucida.phantom.lesions import FILM_PX, Lesion, equal_bars, scatter
from camlucida.phantom.scene import healthy
from camlucida.phantom.trial import LABELS, Trial
from camlucida.workflows.benchmark.films import Twins, largest_radius, scan_of

PATIENTS = 24
"""Phantom patients whose lung fields are averaged."""


@dataclass(frozen=True)
class RealFilm:
    """A real radiograph: (FILM_PX, FILM_PX) in [0, 1], white where little passes."""

    name: str
    pixels: NDArray[np.float32]


def real_films(folder: Path) -> tuple[list[RealFilm], list[str]]:
    """The radiographs of a folder, their central square resized to FILM_PX; errors of the others.

    Raises:
        UsageError: no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise UsageError(
            f"--films {folder}: there is no such folder",
            "give a folder of frontal chest radiographs",
        )
    paths, missing = expand_paths([folder])
    films, problems = [], [str(error) for error in missing]
    for path in paths:
        try:
            pixels = read_image(path).pixels
        except CamlucidaError as error:
            problems.append(str(error))
            continue
        films.append(RealFilm(path.stem, _square(pixels)))
    if not films:
        raise UsageError(
            f"--films {folder}: no image can be read there", problems[0] if problems else ""
        )
    return films, problems


def _square(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    grey = pixels if pixels.ndim == 2 else pixels.mean(2)
    side = min(grey.shape)
    top, left = ((n - side) // 2 for n in grey.shape)
    cut = torch.from_numpy(np.array(grey[top : top + side, left : left + side], np.float32))
    small = F.interpolate(
        cut[None, None], (FILM_PX, FILM_PX), mode="bilinear", align_corners=False, antialias=True
    )
    return np.asarray(small[0, 0].clamp(0, 1).numpy(), np.float32)


@lru_cache(maxsize=1)
def lung_room() -> Array:
    """Distance to the edge of the mean lung fields, (FILM_PX, FILM_PX); 0 outside them.

    A pixel counts as lung if it is lung in more than half of PATIENTS phantom patients.
    """
    last = phantom.BENCHMARK_SEEDS.stop
    lungs = [healthy(seed, FILM_PX).lungs for seed in range(last - PATIENTS, last)]
    mean = np.mean(lungs, axis=0)
    room: Array = ndimage.distance_transform_edt(mean > 0.5).astype(np.float32)
    room.flags.writeable = False
    return room


def pasted(film: RealFilm, seed: int, spec: InputSpec) -> Twins:
    """A real film with lesions, decided by ``seed``, and its twins."""
    trial = _trial(seed)

    def drawn(lesions: Sequence[Lesion]) -> phantom.Pasted:
        return phantom.paste(film.pixels, lesions, seed)

    whole, name = drawn(trial.lesions), f"{film.name}+seed{seed}"
    labels = [label for label in LABELS if label in whole.masks]
    swapped, without = {}, {}
    for label in labels:
        bare = phantom.without(trial, label).lesions
        without[label] = scan_of(drawn(bare).image, name, spec)
        try:
            lesions = bare + _distractors(trial, bare)
        except UsageError:
            # No room for distractors: the label goes without a proof.
            continue
        swapped[label] = scan_of(drawn(lesions).image, name, spec)
    return Twins(
        scan=scan_of(whole.image, name, spec),
        patient=film.name,
        masks=whole.masks,
        radius={label: largest_radius(trial, label) for label in labels},
        without=without,
        swapped=swapped,
    )


def _distractors(trial: Trial, bare: tuple[Lesion, ...]) -> tuple[Lesion, ...]:
    """Bars in place of the lesions that ``bare`` lacks, large ones first."""
    removed = [lesion for lesion in trial.lesions if lesion not in bare]
    bars: tuple[Lesion, ...] = ()
    for lesion in sorted(removed, key=lambda lesion: -lesion.area):
        bars += equal_bars(stream(trial.seed, 18), lung_room(), lesion, bare + bars)
    return bars


def _trial(seed: int) -> Trial:
    """The first draw of a seed with a label."""
    for attempt in count():
        rng = np.random.default_rng([17, seed, attempt])
        trial = Trial(seed, scatter(rng, lung_room(), phantom.draw_kinds(rng)), tag=False)
        if any(trial.labels):
            return trial
    raise AssertionError
