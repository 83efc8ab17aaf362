"""Expected gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.methods.base import method
from camlucida.attribution.paths import check_completeness, path_attributions

REFERENCES = 4
"""Flat images from which the lines begin."""

NODES = 32
"""Points of the Gauss–Legendre rule on each line: with 8, kinks of ReLUs leave gaps of 20–45 %."""


@method(
    "expected_gradients",
    "Expected gradients",
    "Erion et al. 2021, Nature Machine Intelligence 3:620–631",
    kind="input",
    cost="5 + 128 forwards + 128 backward passes",
    description=(
        "integrated gradients, the mean over references: flat images of four grey levels that "
        "occur in the image itself [@erion2021]"
    ),
    formula="mean over x' of Σ_c (x_c − x'_c) ∫ ∂y/∂x_c",
    use="the same where no single reference is neutral",
    avoid="speed",
)
def expected_gradients(probe: InputProbe, references: Tensor | None = None) -> Tensor:
    """Integrated gradients, averaged over references instead of one; a map of the pixels.

    ``L = mean over x' of Σ_c (x_c − x'_c) ⊙ ∫₀¹ ∂y/∂x_c (x' + α (x − x')) dα``. The paper draws x'
    from the training data, which a single image does not come with: here x' are four flat images,
    whose levels are the quantiles ⅛, ⅜, ⅝ and ⅞ of the image's own values. So no grey level
    is blind, as black is in integrated gradients. The cells add up to y(x) less the mean y(x');
    where they do not, to 5 %, the record warns.

    Args:
        probe: one image.
        references: (R, C, *spatial), preprocessed as the image, such as films of the training data;
            None takes the flat images.

    Returns:
        (T, *spatial), signed, in score units.

    With films of your own as references:

    >>> from dataclasses import replace
    >>> from functools import partial
    >>> from camlucida.attribution.engine import explain_by
    >>> from camlucida.attribution.methods import METHODS
    >>> net = torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> run = partial(expected_gradients, references=torch.ones(1, 1, 2, 2))
    >>> method = replace(METHODS["expected_gradients"], run=run)
    >>> (explanation,) = explain_by(net, torch.tensor([[[[1.0, 5.0], [0.0, 1.0]]]]), method, 0)
    >>> explanation.raw  # (x − 1) / 4
    tensor([[ 0.0000,  1.0000],
            [-0.2500,  0.0000]])
    """
    begin = flat_references(probe.inputs) if references is None else references.to(probe.inputs)
    probe.steps.expect(len(begin) * (NODES + 1))
    maps = path_attributions(probe.inputs, begin, probe.gradients, NODES).sum(1)
    check_completeness(maps, probe.scores - probe.score(begin).mean(1), probe.cautions)
    return maps


def flat_references(image: Tensor) -> Tensor:
    """Flat images of grey levels that occur in an image.

    Args:
        image: (1, C, *spatial).

    Returns:
        (REFERENCES, C, *spatial); each channel at quantiles of its own values.

    >>> flat_references(torch.arange(9.0).reshape(1, 1, 9))[:, 0, 0]
    tensor([1., 3., 5., 7.])
    """
    # Sorted rather than by torch.quantile, which refuses large images.
    levels = image[0].flatten(1).sort(1).values
    middles = (torch.arange(REFERENCES, device=image.device) * 2 + 1) / (2 * REFERENCES)
    positions = (middles * (levels.shape[1] - 1)).round().long()
    flat = levels[:, positions].T.reshape(REFERENCES, -1, *(1,) * (image.ndim - 2))
    return flat.expand(REFERENCES, *image.shape[1:])
