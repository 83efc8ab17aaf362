"""The stability metrics of one image: maps of mirrored and of noisy copies, all of one forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from torch import nn

from camlucida.attribution.engine import explain
from camlucida.attribution.explained_model import ModelWithCard
from camlucida.attribution.explanation import Explanation
from camlucida.core.scan import Scan
from camlucida.metrics import stability as stability_metrics


def stability(
    model: nn.Module | ModelWithCard,
    scan: Scan,
    explanations: Sequence[Explanation],
    names: Sequence[str],
    seed: int,
) -> Iterator[tuple[Explanation, str, float]]:
    """(explanation, metric, value) for "max_sensitivity", "score_change" and "view_agreement" among ``names``.

    Args:
        explanations: of ``scan``, by methods, each with the target it explains.
        names: of the metrics that are wanted.
        seed: of the noise.
    """
    noisy = {"max_sensitivity", "score_change"} & set(names)
    copies = list(stability_metrics.noisy_copies(scan.tensor, seed=seed)) if noisy else []
    views = (
        list(stability_metrics.VIEWS) if "view_agreement" in names and scan.tensor.ndim > 2 else []
    )
    tensors = [*copies, *(stability_metrics.view(scan.tensor, name) for name in views)]
    if not tensors or not explanations:
        return
    altered = [
        replace(scan, tensor=tensor, id=f"{scan.id} {i}") for i, tensor in enumerate(tensors)
    ]
    targets = {e.target: e.explained for e in explanations if e.explained is not None}
    methods, layers = (
        list(dict.fromkeys(getattr(e, key) for e in explanations)) for key in ("method", "layer")
    )
    again = explain(model, altered, target=list(targets.values()), method=methods, layer=layers)
    by_place: dict[tuple[str, str, str], list[Explanation]] = {}
    for e in again:
        by_place.setdefault((e.target, e.method, e.layer), []).append(e)
    for e in explanations:
        others = by_place[e.target, e.method, e.layer]
        heat, maps = e.map(e.grid), [other.map(other.grid) for other in others]
        if copies:
            scores = [other.score for other in others[: len(copies)]]
            found = stability_metrics.max_sensitivity(heat, maps[: len(copies)])
            values = {
                "max_sensitivity": found.maximum,
                "score_change": stability_metrics.score_change(e.score, scores),
            }
            yield from ((e, name, value) for name, value in values.items() if name in names)
        if views:
            yield (
                e,
                "view_agreement",
                stability_metrics.view_agreement(heat, dict(zip(views, maps[len(copies) :]))),
            )
