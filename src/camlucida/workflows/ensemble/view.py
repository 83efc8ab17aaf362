"""An image of an ensemble for the viewer: of each finding the mean, every classifier's map, and
their disagreement, over one film."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from camlucida.analysis.ensemble.combine import Ensemble
from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import declare
from camlucida.core.scan import Scan
from camlucida.figures.style import said, words
from camlucida.report.viewer.dense import dense_map, with_film
from camlucida.report.viewer.panels import with_name

declare("ensemble_view", {"disagreement": "disagreement (standard deviation)"})


def finding_maps(
    ensemble: Ensemble, titles: Mapping[str, str], film: Scan
) -> Iterator[Explanation]:
    """The maps of a finding, in the unit that all of them share.

    Args:
        ensemble: of the finding.
        titles: key of a classifier → its name for people.
        film: of the image, which all maps share.
    """
    mean = with_film(ensemble.explanation(), film)
    grid = max((member.explanation.grid for member in ensemble.members), key=max)
    name = said(mean.provenance["method_name"])
    yield replace(dense_map(ensemble.mean, mean, grid), method=name, score=mean.score)
    for member in ensemble.members:
        scaled = with_film(member.explanation, film)
        scaled = replace(scaled, provenance={**scaled.provenance, "unit": ensemble.unit})
        yield with_name(scaled, titles.get(member.name, member.name))
    if np.isfinite(ensemble.disagreement).any():
        name = words("ensemble_view.disagreement")
        yield replace(dense_map(ensemble.disagreement, mean, grid), method=name)
