"""Score-CAM."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.methods.mask_scores import mask_scores
from camlucida.attribution.probe import Probe
from camlucida.core.tensors import min_max, resize


@method(
    "scorecam",
    "Score-CAM",
    "Wang et al. 2020, CVPR Workshops, Eq. 4–8 and Algorithm 1",
    unit="activation",
    kind="probe",
    relu=True,
    cost="1 + K forwards",
    description=(
        "activations weighted by the score of the image masked with them, then ReLU [@wang2020]"
    ),
    formula="Σ_k softmax(s)_k A_k",
    use="models without useful gradients",
    avoid="speed; evidence against the label",
)
def scorecam(probe: Probe) -> Tensor:
    """Activations weighted by the score of the image seen through each of them; needs no gradient.

    ``H_k = s(Up(A_k))``: upsampled to the input, then min-max to [0, 1] (Eq. 5–6); ``S_k = f(X ∘
    H_k) − f(X_b)``; ``w = softmax_k(S)``; ``L = ReLU(Σ_k w_k A_k)`` (Eq. 8). The baseline term
    f(X_b) is the same for every channel and cancels in the softmax. A channel without range gives
    no mask, and no weight. Streamed: memory does not grow with K. Where bfloat16 is faster, scores
    that hardly change the map are rounded to it; ``scorecam:float32`` rounds none.

    Args:
        probe: one image; scores altered inputs.

    Returns:
        (T, *grid), ≥ 0 where activations are, in activation units.

    The weight of the only channel below is 1, whatever its score:

    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, 5.0]]]])
    >>> (explanation,) = explain(net, image, 0, "scorecam", layer="0")
    >>> explanation.raw
    tensor([[1., 2.],
            [0., 5.]])
    """
    return weighted_by_masks(probe, lambda masks: [masks], 1)


def weighted_by_masks(
    probe: Probe, variants: Callable[[Tensor], Iterable[Tensor]], count: int
) -> Tensor:
    """``Σ_k w_k A_k``, w the softmax over channels of the mean score under variants of the masks.

    Args:
        probe: one image.
        variants: masks (k, *input size) in [0, 1] → the masks to look through, ``count`` times.
        count: of variants.

    Returns:
        (T, *grid).
    """
    activations = probe.activations[0]
    usable = with_range(activations)
    channels = activations[usable]
    if not len(channels):
        return weighted_by_scores(probe, usable, [])

    def score(numbers: Tensor, rounded: bool) -> Tensor:
        masks = input_masks(probe, channels[numbers])
        scores = [masked_scores(probe, altered, rounded) for altered in variants(masks)]
        return torch.stack(scores).mean(0)

    scores = mask_scores(probe, channels, score, count)
    return weighted_by_scores(probe, usable, [scores])


def weighted_by_scores(probe: Probe, usable: Tensor, scores: Sequence[Tensor]) -> Tensor:
    """``Σ_k softmax_k(S) A_k`` over channels that have a mask; others have no weight.

    Args:
        probe: one image.
        usable: (K,) bool: the channels with a mask.
        scores: (T, k) each, of these channels in order.

    Returns:
        (T, *grid), all zero where no channel has a mask.
    """
    activations = probe.activations[0]
    if not scores:
        return activations.new_zeros(len(probe.scores), *activations.shape[1:])
    weights = torch.cat(list(scores), 1).softmax(1)
    return torch.einsum("tk,k...->t...", weights, activations[usable].to(weights.dtype))


def with_range(activations: Tensor) -> Tensor:
    """Whether each channel of (K, *grid) has a range beyond rounding errors.

    Min-max would blow rounding errors up into a mask.
    """
    flat = activations.flatten(1)
    rounding = 16 * torch.finfo(flat.dtype).eps * flat.abs().amax(1)
    return flat.amax(1) - flat.amin(1) > rounding


def input_masks(probe: Probe, activations: Tensor) -> Tensor:
    """Channels as masks of the image: enlarged, then scaled to [0, 1].

    Args:
        probe: one image.
        activations: (k, *grid).

    Returns:
        (k, *input size).
    """
    masks, _ = min_max(resize(activations, probe.inputs.shape[2:]))
    return masks


def masked_scores(probe: Probe, masks: Tensor, rounded: bool = False) -> Tensor:
    """Scores of the image under each mask.

    Args:
        probe: one image and T targets.
        masks: (k, *input size).
        rounded: as of :meth:`~camlucida.attribution.probe.Probe.score`.

    Returns:
        (T, k).
    """
    return probe.score(probe.inputs * masks[:, None].to(probe.inputs.dtype), rounded)
