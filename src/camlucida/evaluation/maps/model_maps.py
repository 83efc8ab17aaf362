"""Where the maps of an evaluation come from: the model, if they are not stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import nn

from camlucida.attribution.engine import explain
from camlucida.attribution.explained_model import ModelWithCard, explained_model
from camlucida.attribution.explanation import Explanation
from camlucida.evaluation.maps.samples import MetricSettings, Sample, known_labels


class MapSource(Protocol):
    """Where the maps of an image come from; see :class:`ModelMaps`."""

    def explanations(self, sample: Sample, settings: MetricSettings) -> list[Explanation]:
        """The maps of one image, in the order of ``explain``; empty where none is wanted."""


@dataclass(frozen=True)
class ModelMaps:
    """Maps that are computed: the model explains each image."""

    model: nn.Module | ModelWithCard

    def explanations(self, sample: Sample, settings: MetricSettings) -> list[Explanation]:
        """As of :class:`MapSource`.

        Raises:
            CamlucidaError: as of ``explain``.
        """
        wanted = known_labels(sample, settings, explained_model(self.model).spec.task)
        if wanted.get("truth") == [[]]:
            return []
        return explain(
            self.model,
            [sample.scan],
            method=list(settings.methods),
            layer=settings.layers,
            **wanted,
        )
