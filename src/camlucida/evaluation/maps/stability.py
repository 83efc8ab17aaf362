"""The stability metrics of one image: maps of noisy and of mirrored copies, all of one request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from camlucida.attribution.explained_model import ModelWithCard
from camlucida.attribution.explanation import Explanation
from camlucida.core.scan import Scan
from camlucida.evaluation.maps.choice import with_inputs
from camlucida.evaluation.maps.explained_again import key_of, of_copies
from camlucida.evaluation.maps.scores import Score
from camlucida.metrics import METRICS
from camlucida.metrics.base import Inputs
from camlucida.metrics.stability import VIEWS, noisy_copies, view


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
    for explanation in explanations:
        altered = again[key_of(explanation)]
        heat = explanation.map(explanation.grid)
        maps = [copy.map(copy.grid) for copy in altered]
        scores = [copy.score for copy in altered[:split]]
        views = dict(zip(copies.views, maps[split:]))
        given: dict[Inputs, tuple[Any, Any]] = {
            "noisy maps": (heat, maps[:split]),
            "noisy scores": (explanation.score, scores),
            "views": (heat, views),
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
        views = {name: view(scan.tensor, name) for name in VIEWS}
    return _Copies(noisy, views)
