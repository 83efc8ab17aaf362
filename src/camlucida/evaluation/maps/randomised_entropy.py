"""The entropy of maps before and after all weights are made random, on a few images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from camlucida.attribution.explained_model import ModelWithCard, explained_model
from camlucida.attribution.explanation import Explanation
from camlucida.core.scan import Scan
from camlucida.core.tensors import full, resize
from camlucida.evaluation.maps.choice import with_inputs
from camlucida.evaluation.maps.explained_again import maps_now
from camlucida.evaluation.maps.rows import MapColumns
from camlucida.evaluation.maps.scores import NAN, Score
from camlucida.metrics import METRICS
from camlucida.metrics.annotations import Floats
from camlucida.metrics.efficient_mprt import DRAWS
from camlucida.metrics.sanity import randomise, restored
from camlucida.models.state import unwrap


@dataclass(frozen=True)
class TrainedMaps:
    """The maps of one image by the trained model.

    Attributes:
        scan: the image.
        explanations: by the methods.
        columns: of the row of each.
    """

    scan: Scan
    explanations: Sequence[Explanation]
    columns: Sequence[MapColumns]


def randomised_scores(
    model: nn.Module | ModelWithCard, trained: Sequence[TrainedMaps], names: Sequence[str]
) -> Iterator[tuple[MapColumns, str, Score]]:
    """The metrics of a map and that of the model of random weights: means over DRAWS draws.

    Args:
        model: its weights are made random and restored bit by bit.
        trained: a few images.
        names: of the metrics that are wanted; others are passed over.

    Yields:
        Columns, metric and score of each map. A draw whose map is constant does not count.
    """
    wanted = with_inputs("randomised map", among=names)
    if not wanted or not trained:
        return
    draws: list[list[list[Tensor]]] = []
    module = unwrap(explained_model(model).module)
    with restored(module):
        for seed in range(DRAWS):
            randomise(module, seed)
            draws.append([maps_now(model, each.scan, each.explanations) for each in trained])
    for image, each in enumerate(trained):
        for position, (explanation, columns) in enumerate(zip(each.explanations, each.columns)):
            before = _enlarged(explanation.map(explanation.grid), each.scan)
            after = [_enlarged(draw[image][position], each.scan) for draw in draws]
            for name in wanted:
                metric = METRICS[name]
                values = np.array([metric.run(before, heat) for heat in after])
                finite = values[np.isfinite(values)]
                mean = float(finite.mean()) if len(finite) else NAN
                level = NAN if metric.chance_level is None else metric.chance_level()
                yield columns, name, Score(mean, level)


def _enlarged(heat: Tensor, scan: Scan) -> Floats:
    """A map on its grid, enlarged to the input of the model."""
    values = full(heat.detach()).cpu()
    size = scan.tensor.shape[1:]
    if values.ndim == len(size):
        values = resize(values[None], size)[0]
    return np.asarray(values.double().numpy())
