"""The stability metrics of one image: maps of noisy and of mirrored copies, all of one request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from camlucida.attribution.explained_model import ModelWithCard
from camlucida.attribution.explanation import Explanation
from camlucida.core.orientation import axis_codes
from camlucida.core.scan import Scan
from camlucida.core.volume_scan import VolumeScan
from camlucida.evaluation.maps.choice import with_inputs
from camlucida.evaluation.maps.explained_again import key_of, of_copies
from camlucida.evaluation.maps.scores import Score
from camlucida.metrics import METRICS
from camlucida.metrics.base import Inputs
from camlucida.metrics.stability import VIEWS, noisy_copies, view

_LAST_TWO = (-2, -1)


@dataclass(frozen=True)
class _Copies:
    """The altered copies of one image: noisy ones first, then the mirrored views by name."""

    noisy: list[Tensor]
    views: dict[str, Tensor]

    @property
    def tensors(self) -> list[Tensor]:
        return [*self.noisy, *self.views.values()]


def stability_scores(
    model: nn.Module | ModelWithCard,
    scan: Scan,
    explanations: Sequence[Explanation],
    names: Sequence[str],
    seed: int,
) -> Iterator[tuple[Explanation, str, Score]]:
    """The metrics of noisy copies and of mirrored views.

    Args:
        model: as for ``explain``.
        scan: the image.
        explanations: of ``scan``, by methods, each with the target it explains.
        names: of the metrics that are wanted; others are passed over.
        seed: of the noise.

    Yields:
        (explanation, metric name, score), explanation by explanation.
    """
    copies = _copies(scan, names, seed)
    if not copies.tensors or not explanations:
        return
    again = of_copies(model, scan, explanations, copies.tensors)
    split = len(copies.noisy)
    axes = _upright_axes(scan)
    for explanation in explanations:
        altered = again[key_of(explanation)]
        heat = explanation.map(explanation.grid)
        maps = [copy.map(copy.grid) for copy in altered]
        scores = [copy.score for copy in altered[:split]]
        views = {
            name: copy.movedim(axes, _LAST_TWO) for name, copy in zip(copies.views, maps[split:])
        }
        given: dict[Inputs, tuple[Any, Any]] = {
            "noisy maps": (heat, maps[:split]),
            "noisy scores": (explanation.score, scores),
            "views": (heat.movedim(axes, _LAST_TWO) if views else heat, views),
        }
        for inputs, pair in given.items():
            if not len(pair[1]):
                continue
            for name in with_inputs(inputs, among=names):
                measure: Callable[..., float] = METRICS[name].run
                yield explanation, name, Score(measure(*pair))


def _copies(scan: Scan, names: Sequence[str], seed: int) -> _Copies:
    noisy, views = [], {}
    if with_inputs("noisy maps", "noisy scores", among=names):
        noisy = list(noisy_copies(scan.tensor, seed=seed))
    if with_inputs("views", among=names) and scan.tensor.ndim > 2:
        axes = _upright_axes(scan)
        upright = scan.tensor.movedim(axes, _LAST_TWO)
        views = {name: view(upright, name).movedim(_LAST_TWO, axes).contiguous() for name in VIEWS}
    return _Copies(noisy, views)


def _upright_axes(scan: Scan) -> tuple[int, int]:
    """The axes of the model's input that run along the patient, and from left to right.

    Counted from the end. Of an image, and where a file states no directions, the last two; so too
    of stacked slices that are cut across one of these axes.
    """
    if not isinstance(scan, VolumeScan) or not scan.oriented:
        return _LAST_TWO
    stored = axis_codes(scan.affine)
    codes = [stored[axis] for axis in scan.order.axes][-len(scan.geometry.model) :]
    along, across = (_axis_of(codes, letters) for letters in ("SI", "LR"))
    return _LAST_TWO if along is None or across is None else (along, across)


def _axis_of(codes: Sequence[str], letters: str) -> int | None:
    """The axis, counted from the end, that runs in one of two opposite directions."""
    axes = [axis for axis, code in enumerate(codes) if code in letters]
    return axes[0] - len(codes) if axes else None
