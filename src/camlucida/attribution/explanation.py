"""The result: a signed map with its scale, its score, and the way back to the original pixels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlucida.attribution.targets import CUSTOM, Target, TargetSpec
from camlucida.core.errors import LayerError
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message
from camlucida.core.numbers import number
from camlucida.core.png import png_bytes
from camlucida.core.scan import Scan
from camlucida.core.tensors import resize
from camlucida.core.volume_scan import is_volume
from camlucida.models.detectors import Detection

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
        scaled_output: the model's output, where it scales the probability so that its operating
            point becomes 0.5; None elsewhere.
        no_picture: of a model of several images, why the map lies over none of them: its layer saw
            them together, or which one it saw is not known. There are then numbers on the grid, and
            no pixels. None: the map lies over ``scan``.
        detection: of a detector, the box whose class score is explained; None elsewhere.

    >>> scan = Scan(torch.zeros(1, 4, 4), None, Geometry.identity((8, 8)).resize((4, 4)), "film")
    >>> raw = torch.tensor([[-2.0, 0.0], [1.0, 4.0]])
    >>> e = Explanation(raw, 1.5, 0.8, "nodule", "gradcam", "layer4", relu=True, scan=scan)
    >>> e
    Explanation(film: nodule, score=1.5, probability=0.800, gradcam at layer4 2×2)
    >>> e.raw.tolist(), e.relu
    ([[-2.0, 0.0], [1.0, 4.0]], True)
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
    scaled_output: float | None = None
    no_picture: Message | None = None
    detection: Detection | None = None

    @property
    def shown_layer(self) -> str:
        """The layer as people read it; of a map that its method made of several, their names.

        Of the blocks of a transformer, the first and the last.

        >>> _example().shown_layer
        'layer4'
        """
        fused, blocks = (self.provenance.get(key) for key in ("fused", "attention_blocks"))
        if fused:
            return f"{fused['how']}({', '.join(fused['layers'])})"
        return " … ".join(dict.fromkeys((blocks[0], blocks[-1]))) if blocks else self.layer

    @property
    def grid(self) -> tuple[int, ...]:
        """Size of the layer's grid: the true resolution of the map.

        Returns:
            Cells, an axis each.

        >>> _example().grid
        (2, 2)
        """
        return tuple(self.raw.shape)

    @property
    def cell(self) -> tuple[float, ...]:
        """Size of one cell of the grid in original pixels: no detail below it is in the map.

        Returns:
            Original pixels, an axis each.

        Raises:
            LayerError: the map lies over no image, see ``no_picture``.

        >>> _example().cell
        (4.0, 4.0)
        """
        return self.geometry().cell(self.grid)

    def geometry(self) -> Geometry:
        """Original pixels ↔ model pixels of the image that the map lies over.

        Raises:
            LayerError: it lies over none, see ``no_picture``.

        >>> _example().geometry().original
        (8, 8)
        """
        if self.no_picture is not None:
            raise LayerError(
                str(self.no_picture).rstrip("."),
                "use .raw or .map(explanation.grid), or name a layer that sees one image",
            )
        return self.scan.geometry

    @property
    def is_empty(self) -> bool:
        """Whether the map (after the method's ReLU) is zero everywhere: no evidence.

        An empty map is never stretched into a picture; ``empty_reason`` states why it is empty.

        >>> _example().is_empty
        False
        """
        return self.empty_reason is not None

    @property
    def decided(self) -> float | None:
        """What a threshold is compared with, and labels are ordered by.

        Returns:
            ``scaled_output``, whose operating point is 0.5, else the probability; None without.

        >>> _example().decided
        0.8
        """
        return self.probability if self.scaled_output is None else self.scaled_output

    @property
    def signed(self) -> bool:
        """Whether :meth:`map` has negative cells: evidence against the target.

        >>> _example(relu=False).signed, _example(relu=True).signed
        (True, False)
        """
        return not self.relu and bool((self.raw < 0).any())

    @property
    def limit(self) -> float:
        """The largest magnitude of the map on its grid, by which :meth:`scaled` divides.

        Returns:
            ≥ 0, in the units of ``raw``.

        >>> _example().limit
        4.0
        """
        return float(self._cells().abs().max())

    def _cells(self) -> Tensor:
        return self.raw.relu() if self.relu else self.raw

    def map(self, size: Sequence[int] | None = None) -> Tensor:
        """The map after the method's ReLU, resized, not scaled.

        Args:
            size: of the result in pixels; None for the model's input size, ``explanation.grid`` for
                the cells themselves.

        Returns:
            (*size), in the units of ``raw``, linear interpolation at half-pixel centres.

        Raises:
            LayerError: no size is given and the map lies over no image, see ``no_picture``.

        >>> e = _example()
        >>> e.map().shape
        torch.Size([4, 4])
        >>> e.map(e.grid)
        tensor([[0., 0.],
                [1., 4.]])
        """
        size = self.geometry().model if size is None else size
        return resize(self._cells()[None], size)[0]

    def on_original(self) -> Tensor:
        """:meth:`map` in original image pixels.

        Returns:
            (*original), in the units of ``raw``; 0 where the model saw nothing (see
            ``scan.geometry.seen()``).

        Raises:
            LayerError: the map lies over no image, see ``no_picture``.

        >>> _example().on_original().shape
        torch.Size([8, 8])
        """
        return self.geometry().map_to_original(self.map()[None])[0]

    def scaled(self, size: Sequence[int] | None = None, limit: float | None = None) -> Tensor:
        """:meth:`map` divided by ``limit``, for display. Zero stays zero.

        Args:
            size: as in :meth:`map`.
            limit: the value shown as 1; None for this map's largest magnitude. Give one limit to
                maps that are compared.

        Returns:
            (*size), in [0, 1], or [−1, 1] for a signed map; values beyond ``limit`` are cut.

        >>> e = _example()
        >>> e.scaled(e.grid)
        tensor([[0.0000, 0.0000],
                [0.2500, 1.0000]])
        >>> e.scaled(e.grid, limit=2.0)
        tensor([[0.0000, 0.0000],
                [0.5000, 1.0000]])
        """
        values = self.map(size)
        limit = self.limit if limit is None else limit
        return (values / limit).clamp(-1, 1) if limit > 0 else values * 0

    def overlay(
        self, colormap: str | None = None, alpha: float | None = None, limit: float | None = None
    ) -> Image:
        """The map over the original image, with a caption bar below; of a volume, three planes
        through the map's peak, bare and overlaid.

        Args:
            colormap: matplotlib name; None for the default of a signed or unsigned map.
            alpha: opacity of the map's largest value, in [0, 1]; None for 0.6. The rest is in
                proportion where the colour map allows it.
            limit: as in :meth:`scaled`.

        Returns:
            An RGB picture in original pixels, with the caption below; of a volume a figure.

        Raises:
            UsageError: there is no such colormap.
            LayerError: the map lies over no image, see ``no_picture``.

        >>> _example().overlay().mode
        'RGB'
        """
        figures = _figures("volumes.explained" if is_volume(self.scan) else "overlay")
        image: Image = figures.overlay_image(self, colormap, alpha, limit)
        return image

    def save(
        self,
        directory: str | Path,
        colormap: str | None = None,
        write: Collection[str] | None = None,
    ) -> dict[str, Any]:
        """Write the film, the raw map and pictures into a folder; of a volume the raw map, three
        planes through its peak, and the map as NIfTI.

        Args:
            directory: made if missing.
            colormap: as in :meth:`overlay`.
            write: which pictures: "overlay", "heatmap", "figure", "map" (in original pixels),
                "mask", or "all"; None writes the overlay. Of a volume "figure" and "map"; None
                writes both.

        Returns:
            The record of ``explanations.json``: image, target, score, …, and the file names.

        Raises:
            UsageError: there is no such colormap or picture.
            OSError: the system refuses the folder or a file.

        >>> record = _example().save("out", write=["overlay", "mask"])  # doctest: +SKIP
        >>> record["image"], record["target"]  # doctest: +SKIP
        ('film', 'nodule')
        """
        save = _figures("volumes.explained" if is_volume(self.scan) else "save").save_explanation
        record: dict[str, Any] = save(self, Path(directory), colormap, write)
        return record

    def show(self, colormap: str | None = None) -> Any:
        """The interactive viewer in a notebook (extra ``notebook``).

        Args:
            colormap: as in :meth:`overlay`.

        Returns:
            A widget, see :func:`camlucida.view`; without the package anywidget, the overlay.

        Raises:
            LayerError: the map lies over no image, see ``no_picture``.

        >>> _example().show()  # doctest: +SKIP
        """
        return import_module("camlucida.report.viewer.widget").view(self, colormap)

    def _repr_png_(self) -> bytes | None:
        if self.no_picture is not None:
            return None
        png: bytes = png_bytes(np.asarray(self.overlay()))
        return png

    def __repr__(self) -> str:
        parts = [f"{self.scan.id}: {self.target}", f"score={self.score:.4g}"]
        if self.probability is not None:
            parts.append(f"probability={number(self.probability, 'p')}")
        if self.scaled_output is not None:
            parts.append(f"scaled to the operating point={self.scaled_output:.3f}")
        grid = "×".join(map(str, self.grid))
        parts.append(f"{self.method} at {self.layer} {grid}")
        if self.is_empty:
            parts.append(f"no evidence: {self.empty_reason}")
        if self.no_picture is not None:
            parts.append(str(self.no_picture).rstrip("."))
        return f"Explanation({', '.join(parts)})"

    def numpy(self) -> NDArray[np.float32]:
        """:meth:`on_original` as an array.

        Returns:
            (*original) float32, in the units of ``raw``.

        >>> _example().numpy().shape
        (8, 8)
        """
        return self.on_original().numpy().astype(np.float32)


def _example(relu: bool = True) -> Explanation:
    """The map of the docstrings' examples; its image has 8 × 8 pixels, the model's input 4 × 4."""
    geometry = Geometry.identity((8, 8)).resize((4, 4))
    display = np.zeros((8, 8), np.uint8)
    scan = Scan(torch.zeros(1, 4, 4), display, geometry, "film")
    raw = torch.tensor([[-2.0, 0.0], [1.0, 4.0]])
    return Explanation(raw, 1.5, 0.8, "nodule", "gradcam", "layer4", relu, scan)


def _figures(module: str) -> Any:
    """A module of the figures, which draw explanations: imported by name, when something is drawn.

    An import statement would close a circle, for the figures import this module.
    """
    return import_module(f"camlucida.figures.{module}")
