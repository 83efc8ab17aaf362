"""The cost of an evaluation, before it starts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from camlucida.evaluation.maps.choice import with_inputs
from camlucida.evaluation.maps.few_images import IMAGES
from camlucida.evaluation.maps.randomisation import SEEDS, modes
from camlucida.evaluation.maps.source import Source
from camlucida.metrics import (
    efficient_mprt,
    faithfulness,
    prediction_saliency,
    sanity,
    stability,
)
from camlucida.metrics.imputation import Perturbation, PerturbedImage
from camlucida.metrics.queue import forwards_needed

BATCH = 8
"""Altered images in the batch that is timed, where the settings name no batch size."""


@dataclass(frozen=True)
class Cost:
    """The cost of an evaluation.

    Attributes:
        a_map: altered images of one map; those that maps of an image share are counted once.
        maps: at most, of methods and baselines.
        images: to evaluate.
        seconds: of one altered image in a full batch, measured; 0 where none is needed.
        more_maps: at most, of altered images and of random weights.
    """

    a_map: int
    maps: int
    images: int
    seconds: float
    more_maps: int = 0

    def __str__(self) -> str:
        total = self.images * self.maps * self.a_map
        minutes = total * self.seconds / 60
        more = (
            f"; at most {self.more_maps:,} maps more, of altered images or random weights "
            "(stability, sanity), whose time is not in it"
        )
        return (
            f"cost: {self.images} images × at most {self.maps} maps (methods and baselines, each "
            f"label and layer) × {self.a_map} altered images = at most {total:,} forward passes, "
            f"{minutes:.1f} minutes here{more if self.more_maps else ''}"
        )


def estimate(source: Source) -> Cost:
    """The cost of an evaluation. One batch of the model is timed where a metric alters images."""
    settings = source.settings
    faithful = with_inputs("altered images", among=settings.metrics)
    gamed = all(faithfulness.gamed_by_all_ones(name) for name in faithful)
    baselines = [name for name in settings.baselines if name != "fake_cam" or gamed]
    layers = settings.layers or (source.model.card.layer,)
    of_method = _labels_an_image(source) * len(layers)
    maps = of_method * (len(settings.methods) + len(baselines))
    images = len(source.cohort.images)
    more = of_method * len(settings.methods) * maps_again(settings.metrics, images)
    if not faithful:
        return Cost(0, maps, images, 0.0, more)
    a_map = _altered_images(source, faithful)
    seconds = _seconds_an_image(source)
    return Cost(a_map, maps, images, seconds, more)


def maps_again(names: Sequence[str], images: int) -> int:
    """Maps of altered images and of random weights, of one label, method and layer.

    Args:
        names: of the metrics.
        images: to evaluate; weights are made random for the first few alone.

    >>> maps_again(["hit"], 20), maps_again(["max_sensitivity"], 20), maps_again(["emprt"], 20)
    (0, 200, 48)
    """
    per_image = 0
    if with_inputs("noisy maps", "noisy scores", among=names):
        per_image += stability.COPIES
    if with_inputs("views", among=names):
        per_image += len(stability.VIEWS)
    if with_inputs("altered maps", among=names):
        per_image += prediction_saliency.COPIES
    of_few = len(modes(names)) * sanity.BLOCKS * SEEDS
    if with_inputs("randomised map", among=names):
        of_few += efficient_mprt.DRAWS
    return images * per_image + min(images, IMAGES) * of_few


def _altered_images(source: Source, names: tuple[str, ...]) -> int:
    """Altered images of one map; nothing is built."""
    image = torch.zeros(source.model.input_shape)
    axes = image.ndim - 1
    heat = torch.arange(7.0**axes).reshape((7,) * axes)
    perturbed = PerturbedImage("image", image, (False,))
    plans = faithfulness.plans(Perturbation(perturbed, heat), names, 1.0)
    return forwards_needed(plans)


def _seconds_an_image(source: Source) -> float:
    count = source.settings.batch_size or BATCH
    weight = next(source.model.module.parameters())
    batch = torch.zeros(count, *source.model.input_shape).to(weight)
    with torch.inference_mode():
        # The first pass sets up kernels and buffers.
        source.model.module(batch)
        start = time.perf_counter()
        source.model.module(batch)
        seconds = time.perf_counter() - start
    return seconds / len(batch)


def _labels_an_image(source: Source) -> int:
    """Most labels of any image: those requested, else annotated, else true; else one."""
    if source.settings.targets is not None:
        return len(source.settings.targets)
    images = source.cohort.images
    annotated = [len(source.annotated_labels(item)) for item in images]
    true = [len(item.positives or ()) for item in images]
    counts = annotated if any(annotated) else true
    return max([1, *counts])
