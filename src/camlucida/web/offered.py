"""A model of the workbench, with the layers that its pages offer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from camlucida.attribution.explained_model import ExplainedModel, explained_model
from camlucida.models import LoadedModel
from camlucida.models.layer_list import LayerInfo, list_layers
from camlucida.phantom import is_packaged

GRAPH_BYTES = 512 * 2**20
"""Largest estimate of the graph that is kept of a film in advance, from its earliest layer on."""


@dataclass
class OfferedModel:
    """A loaded model.

    Attributes:
        id: of the model.
        loaded: the model.
        explained: as it is explained.
        first_layers: those that a film's first forward pass keeps. The others of
            :attr:`kept_layers` come once it is known that they can be kept, for to examine a layer
            takes further passes, which the first map of a model does not wait for.
    """

    id: str
    loaded: LoadedModel
    explained: ExplainedModel = field(init=False)
    first_layers: tuple[str, ...] = ("auto",)

    def __post_init__(self) -> None:
        self.explained = explained_model(self.loaded)

    @cached_property
    def saw_synthetic_films(self) -> bool:
        """Whether it is a packaged model, which was trained on synthetic films alone."""
        checkpoint = self.loaded.checkpoint
        return checkpoint is not None and is_packaged(checkpoint)

    @cached_property
    def _infos(self) -> list[LayerInfo]:
        """Every layer, in the order in which they run."""
        weight = next(self.explained.module.parameters(), torch.zeros(0))  # it may have none
        image = torch.zeros(1, *self.loaded.input_shape).to(weight)
        return list_layers(
            self.explained.module,
            image,
            spec=self.explained.spec,
            stated=self.explained.tokens,
        )

    @cached_property
    def layers(self) -> list[dict[str, Any]]:
        """The layers with a grid, in the order in which they run."""
        with_grid = [info for info in self._infos if info.grid and max(info.grid) > 1]
        # A network's stages: of the layers with one grid, the last.
        last = {info.grid: info.path for info in with_grid}
        return [
            {
                "path": info.path,
                "type": info.type,
                "grid": list(info.grid),
                "auto": info.auto,
                "stage": info.path in last.values(),
            }
            for info in with_grid
        ]

    @cached_property
    def kept_layers(self) -> list[str]:
        """The offered layers, but ``auto``, whose graph is small enough to be kept of a film."""
        offered = {layer["path"] for layer in self.layers if layer["stage"] and not layer["auto"]}
        # A container counts besides what it contains, so that this is an upper bound.
        bytes_of = {info.path: 4 * math.prod(info.shape) for info in self._infos}
        kept, graph = [], 0
        for path in reversed(bytes_of):
            graph += bytes_of[path]
            if path in offered and graph <= GRAPH_BYTES:
                kept.append(path)
        return kept[::-1]
