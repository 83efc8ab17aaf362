"""The result: a signed map with its scale, its score, and the way back to the original pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from camlucida.attribution.targets import CUSTOM, Target, TargetSpec
from camlucida.core.messages import Message
from camlucida.core.scan import Scan
from camlucida.core.tensors import resize

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Explanation:
    """Why a model gave an image a score, by one method at one layer.

    Attributes:
        raw: (*grid) signed map on the layer's grid, in ``provenance["unit"]``; float, on the CPU.
            Never rescaled.
        score: the number that was explained (a logit where the model has one; see
            ``provenance["score_kind"]``).
        probability: the model's probability of the target, in [0, 1]; None for a regression.
        target: name of the target, for people.
        method: registry name of the method.
        layer: resolved dotted path of the layer.
        relu: whether the method's paper ends with a ReLU, which :meth:`map` applies.
        scan: the image that was explained.
        empty_reason: why there is no evidence; None if there is some.
        provenance: model, versions, preprocessing, kind of score: what it takes to get this map
            again.
        spec: what the target is, as data.
        explained: the function logits → score; None for a map that was read from a file.

    >>> import torch
    >>> from camlucida import Geometry
    >>> scan = Scan(torch.zeros(1, 4, 4), None, Geometry.identity((8, 8)).resize((4, 4)), "film")
    >>> raw = torch.tensor([[-2.0, 0.0], [1.0, 4.0]])
    >>> e = Explanation(raw, 1.5, 0.8, "nodule", "gradcam", "layer4", relu=True, scan=scan)
    >>> e
    Explanation(film: nodule, score=1.5, probability=0.800, gradcam at layer4 2×2)
    >>> e.cell, e.limit, e.on_original().shape
    ((4.0, 4.0), 4.0, torch.Size([8, 8]))
    """

    raw: Tensor
    score: float
    probability: float | None
    target: str
    method: str
    layer: str
    relu: bool
    scan: Scan
    empty_reason: Message | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    spec: TargetSpec = CUSTOM
    explained: Target | None = field(default=None, repr=False, compare=False)

    @property
    def grid(self) -> tuple[int, ...]:
        """Size of the layer's grid: the true resolution of the map."""
        return tuple(self.raw.shape)

    @property
    def cell(self) -> tuple[float, ...]:
        """Size of one cell of the grid in original pixels, an axis each."""
        return self.scan.geometry.cell(self.grid)

    @property
    def is_empty(self) -> bool:
        """Whether the map (after the method's ReLU) is zero everywhere: no evidence.

        An empty map is never stretched into a picture.
        """
        return self.empty_reason is not None

    @property
    def signed(self) -> bool:
        """Whether :meth:`map` has negative cells: evidence against the target."""
        return not self.relu and bool((self.raw < 0).any())

    @property
    def limit(self) -> float:
        """The largest magnitude of the map on its grid, by which :meth:`scaled` divides."""
        return float(self._cells().abs().max())

    def _cells(self) -> Tensor:
        return self.raw.relu() if self.relu else self.raw

    def map(self, size: Sequence[int] | None = None) -> Tensor:
        """The map after the method's ReLU, resized, not scaled.

        Args:
            size: of the result in pixels; None for the model's input size, ``explanation.grid`` for
                the cells themselves.

        Returns:
            (*size), in the units of ``raw``.
        """
        size = self.scan.geometry.model if size is None else size
        return resize(self._cells()[None], size)[0]

    def on_original(self) -> Tensor:
        """:meth:`map` in original image pixels.

        Returns:
            (*original), in the units of ``raw``; 0 where the model saw nothing (see
            ``scan.geometry.seen()``).
        """
        return self.scan.geometry.map_to_original(self.map()[None])[0]

    def scaled(self, size: Sequence[int] | None = None, limit: float | None = None) -> Tensor:
        """:meth:`map` divided by ``limit``, for display. Zero stays zero.

        Args:
            size: as in :meth:`map`.
            limit: the value shown as 1; None for this map's largest magnitude. Give one limit to
                maps that are compared.

        Returns:
            (*size), in [0, 1], or [−1, 1] for a signed map.
        """
        values = self.map(size)
        limit = self.limit if limit is None else limit
        return (values / limit).clamp(-1, 1) if limit > 0 else values * 0

    def overlay(
        self, colormap: str | None = None, alpha: float = 0.5, limit: float | None = None
    ) -> Image:
        """The map over the original image, with a caption bar below.

        Args:
            colormap: matplotlib name; None for the default of a signed or unsigned map.
            alpha: opacity of the map's largest value, in [0, 1]; the rest in proportion.
            limit: as in :meth:`scaled`.

        Returns:
            An RGB picture in original pixels.
        """
        image: Image = _figures("overlay").overlay_image(self, colormap, alpha, limit)
        return image

    def save(self, directory: str | Path, colormap: str | None = None) -> dict[str, Any]:
        """Write every picture and the numeric map into a folder.

        Args:
            directory: made if missing.
            colormap: as in :meth:`overlay`.

        Returns:
            The record of ``explanations.json``: image, target, score, …, and the file names.
        """
        record: dict[str, Any] = _figures("save").save_explanation(self, Path(directory), colormap)
        return record

    def _repr_png_(self) -> bytes | None:
        if len(self.grid) != 2:
            return None
        png: bytes = _figures("overlay").png_bytes(self.overlay())
        return png

    def __repr__(self) -> str:
        parts = [f"{self.scan.id}: {self.target}", f"score={self.score:.4g}"]
        if self.probability is not None:
            parts.append(f"probability={self.probability:.3f}")
        parts.append(f"{self.method} at {self.layer} {'×'.join(map(str, self.grid))}")
        if self.is_empty:
            parts.append(f"no evidence: {self.empty_reason}")
        return f"Explanation({', '.join(parts)})"

    def numpy(self) -> NDArray[np.float32]:
        """:meth:`on_original` as a float32 array."""
        return self.on_original().numpy().astype(np.float32)


def _figures(module: str) -> Any:
    """A module of the figures, which draw explanations: imported by name, when something is drawn.

    An import statement would close a circle, for the figures import this module.
    """
    return import_module(f"camlucida.figures.{module}")
