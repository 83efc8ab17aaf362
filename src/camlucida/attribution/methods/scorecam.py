"""Score-CAM."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
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
    no mask, and no weight. Streamed: memory does not grow with K.

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
    size = probe.inputs.shape[2:]
    probe.steps.expect(count * len(activations))
    chunks = []
    for part in activations.split(probe.batch_size):
        masks, _ = min_max(resize(part, size))
        usable = _varies(part)
        scores = [mask_scores(probe, altered, usable) for altered in variants(masks)]
        chunks.append(torch.stack(scores).mean(0))
    weights = channel_softmax(torch.cat(chunks, 1))
    return torch.einsum("tk,k...->t...", weights, activations.to(weights.dtype))


def _varies(activations: Tensor) -> Tensor:
    """Whether each channel of (K, *grid) has a range beyond rounding errors.

    Min-max would blow rounding errors up into a mask.
    """
    flat = activations.flatten(1)
    rounding = 16 * torch.finfo(flat.dtype).eps * flat.abs().amax(1)
    return flat.amax(1) - flat.amin(1) > rounding


def mask_scores(probe: Probe, masks: Tensor, usable: Tensor) -> Tensor:
    """Scores of the image under each mask.

    Args:
        probe: one image and T targets.
        masks: (K, *input size).
        usable: (K,) bool: the masks to run.

    Returns:
        (T, K); −∞ where ``usable`` is False, so that a softmax gives the channel no weight.
    """
    size = (len(probe.scores), len(masks))
    scores = torch.full(size, -torch.inf, device=masks.device, dtype=probe.scores.dtype)
    if bool(usable.any()):
        chosen = masks[usable][:, None].to(probe.inputs.dtype)
        scores[:, usable] = probe.score(probe.inputs * chosen)
    return scores


def channel_softmax(scores: Tensor) -> Tensor:
    """Softmax over channels; all zero when no channel had a mask.

    Args:
        scores: (T, K); −∞ for a channel without a mask.

    Returns:
        (T, K), each row with the sum 1 or 0.

    >>> channel_softmax(torch.tensor([[1.0, 1.0], [-torch.inf, -torch.inf]]))
    tensor([[0.5000, 0.5000],
            [0.0000, 0.0000]])
    """
    # A softmax of nothing but −∞ is NaN.
    return torch.nan_to_num(scores.softmax(1))
