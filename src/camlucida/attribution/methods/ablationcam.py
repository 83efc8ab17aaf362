"""Ablation-CAM."""

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.probe import Probe

ROUNDING = 8
"""Relative falls of up to this many machine epsilons are none.

A score of another batch size differs by as much.
"""


@method(
    "ablationcam",
    "Ablation-CAM",
    "Desai & Ramaswamy 2020, WACV, Eq. 3–4",
    unit="activation",
    kind="probe",
    relu=True,
    cost="1 forward + K + 2 replays of the tail",
    description=(
        "activations weighted by the fall of the score when the channel is removed, "
        "then ReLU [@ramaswamy2020]"
    ),
    formula="Σ_k ((y − y_k)/|y|) A_k",
    use="a check of Grad-CAM without gradients",
    avoid="layers of many channels that need whole forwards",
)
def ablationcam(probe: Probe) -> Tensor:
    """Activations weighted by the relative fall of the score when a channel is set to zero.

    Needs no gradient.

    ``w_k = (y − y_k) / |y|`` with y_k the score with A_k = 0 (Eq. 3; the absolute value keeps the
    sign of the fall when y < 0, and a score of exactly 0 leaves the fall unscaled), ``L = ReLU(Σ_k
    w_k A_k)`` (Eq. 4).

    Args:
        probe: one image; replays the layer → score part for altered activations.

    Returns:
        (T, *grid), signed, in activation units.

    The score below is the mean of the only channel, so it falls by all of itself:

    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, 5.0]]]])
    >>> (explanation,) = explain(net, image, 0, "ablationcam", layer="0")
    >>> explanation.raw
    tensor([[1., 2.],
            [0., 5.]])
    """
    activations = probe.activations[0]
    channels = activations.shape[0]
    without: list[Tensor] = []
    probe.steps.expect(channels)
    for start in range(0, channels, probe.tail_batch):
        end = min(start + probe.tail_batch, channels)
        chunk = torch.arange(start, end, device=activations.device)
        altered = activations.expand(len(chunk), *activations.shape).clone()
        altered[torch.arange(len(chunk), device=chunk.device), chunk] = 0
        without.append(probe.score_tail(altered))
    scores = probe.scores[:, None]
    scale = torch.where(scores == 0, torch.ones_like(scores), scores.abs())
    falls = scores - torch.cat(without, 1)
    falls[falls.abs() <= ROUNDING * torch.finfo(falls.dtype).eps * scale] = 0
    weights = falls / scale
    return torch.einsum("tk,k...->t...", weights, activations.to(weights.dtype))
