"""Group-CAM."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.probe import Probe
from camlucida.core.tensors import mean_over_grid, over_grid, resize

GROUPS = 32
"""Groups of successive channels; a layer of fewer channels has as many groups as channels."""

KEPT = 0.7
"""Quantile of a group's map below which its cells count as noise."""

RADIUS = 25 / 224
"""Radius of the blur, as a share of each side: the paper's kernel of 51 pixels at 224."""


@method(
    "groupcam",
    "Group-CAM",
    "Zhang et al. 2021, arXiv 2103.13859, Eq. 2–7",
    kind="probe",
    relu=True,
    cost="3 forwards + 32 forwards a label + 1 backward pass",
    description=(
        "Grad-CAM's weighted activations in 32 groups, each a mask between the blurred image and "
        "the image and weighted by what it adds to the score, then ReLU [@zhang2021]"
    ),
    formula="Σ_l α_l M'_l",
    use="Score-CAM at a fraction of its cost",
    avoid="few channels",
)
def groupcam(probe: Probe) -> Tensor:
    """Groups of channels, weighted by what they add to the score of the blurred image.

    ``M_l = ReLU(Σ_{k in group l} mean(g_k) A_k)`` with cells up to its 0.7 quantile set to 0, then
    enlarged and scaled to [0, 1]: M'; ``α_l = f(X ∘ M'_l + X̃ ∘ (1 − M'_l)) − f(X̃)``, X̃ the image
    blurred; ``L = ReLU(Σ_l α_l M'_l)``. Groups are successive channels, 32 of them. f is the
    explained score; the authors' code takes the probability.

    Args:
        probe: one image; scores altered inputs.

    Returns:
        (T, *grid), signed, in score units.

    One bright pixel in the middle: seen sharp, it adds to the mean what the blur took from it.

    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.AvgPool2d(9), torch.nn.Flatten())
    >>> image = torch.zeros(1, 1, 9, 9)
    >>> image[..., 4, 4] = 81.0
    >>> (explanation,) = explain(net, image, 0, "groupcam", layer="0")
    >>> explanation.raw[4, 3:6].round(decimals=3)
    tensor([0.0000, 0.8690, 0.0000])
    """
    ((activations, gradients),) = probe.evidence(probe.inputs)
    blurred = blur(probe.inputs)
    base = probe.score(blurred)[:, 0]
    maps = []
    for number, gradient in enumerate(gradients):
        weights = over_grid(mean_over_grid(gradient), gradient)
        total = torch.zeros_like(gradient[0, 0])
        masks = group_masks((weights * activations)[0], probe.inputs.shape[2:])
        probe.steps.expect(len(masks) * (len(gradients) - number))
        parts = masks.split(probe.batch_size) if len(masks) else ()
        for part in parts:
            gains = _scores(probe, part, blurred)[number] - base[number]
            total += torch.einsum("l,l...->...", gains.to(part), part)
        maps.append(total)
    return torch.stack(maps)


def _scores(probe: Probe, masks: Tensor, blurred: Tensor) -> Tensor:
    """(T, L) of the image where masks (L, *grid) are 1, and of the blurred one where they are 0."""
    enlarged = resize(masks, probe.inputs.shape[2:]).to(probe.inputs.dtype)[:, None]
    return probe.score(enlarged * probe.inputs + (1 - enlarged) * blurred)


def group_masks(weighted: Tensor, size: Sequence[int]) -> Tensor:
    """Masks of groups of successive channels, which enlarged reach from 0 to 1.

    Args:
        weighted: (K, *grid), activations times weights.
        size: to which they will be enlarged.

    Returns:
        (L, *grid); groups without a range have none.

    >>> group_masks(torch.tensor([[0.0, 1.0, 2.0, 8.0], [1.0, 1.0, 1.0, 1.0]]), (4,))
    tensor([[0., 0., 0., 1.]])
    """
    masks = []
    for channels in weighted.tensor_split(min(GROUPS, len(weighted))):
        evidence = channels.sum(0).relu()
        level = evidence.flatten().quantile(KEPT)
        kept = torch.where(evidence > level, evidence, 0)
        enlarged = resize(kept[None], size)
        low, span = enlarged.min(), enlarged.max() - enlarged.min()
        rounding = 16 * torch.finfo(evidence.dtype).eps * evidence.max()
        if span > rounding:
            masks.append((kept - low) / span)
    return torch.stack(masks) if masks else weighted[:0]


def blur(images: Tensor) -> Tensor:
    """Images blurred by a Gaussian of twice the deviation of its radius, mirrored at the edges.

    Args:
        images: (B, C, *spatial).
    """
    from scipy.ndimage import gaussian_filter

    blurred = images.detach().double().cpu().numpy()
    for axis, side in enumerate(images.shape[2:], start=2):
        radius = round(RADIUS * side)
        if radius:
            blurred = gaussian_filter(
                blurred, 2 * radius, mode="mirror", radius=radius, axes=(axis,)
            )
    return torch.from_numpy(blurred).to(images)
