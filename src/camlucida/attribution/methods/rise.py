"""RISE."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.methods.base import method
from camlucida.core.tensors import resize

MASKS = 512
"""Random masks."""

CELLS = 7
"""Cells an axis of a mask before it is enlarged."""

KEPT = 0.5
"""Probability that a cell is kept."""

SEED = 0


@method(
    "rise",
    "RISE",
    "Petsiuk et al. 2018, BMVC, Eq. 6",
    kind="input",
    cost="1 + 512 forwards",
    description=(
        "512 random masks, weighted by the score of the image seen through them less the mean of "
        "these scores [@petsiuk2018]"
    ),
    formula="Σ_i (y_i − ȳ) M_i / Np",
    use="models seen as a black box",
    avoid="small lesions, exact borders",
)
def rise(probe: InputProbe) -> Tensor:
    """Random masks, weighted by the score of the image seen through them; a map of the pixels.

    ``L = (1 / N p) Σ_i (y(x ⊙ M_i) − ȳ) M_i`` of N = 512 masks: 7 cells an axis, each kept with p =
    ½, enlarged and shifted at random, from a fixed seed. Taking the mean score ȳ away, which the
    paper does not, gives a score that depends on nothing an empty map. Masked pixels are 0 on the
    model's scale. An estimate from random masks: the same on every run, with noise.

    Args:
        probe: one image.

    Returns:
        (T, *spatial), signed, in score units.

    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten())
    >>> image = torch.zeros(1, 1, 14, 14)
    >>> image[0, 0, 3, 10] = 1  # the score is this pixel alone
    >>> (explanation,) = explain(net, image, 0, "rise")
    >>> [int(axis) for axis in torch.unravel_index(explanation.raw.argmax(), (14, 14))]
    [3, 10]
    """
    image = probe.inputs[0]
    probe.steps.expect(MASKS)
    generator = torch.Generator().manual_seed(SEED)
    parts: list[Tensor] = []
    scores: list[Tensor] = []
    for start in range(0, MASKS, probe.batch_size):
        count = min(probe.batch_size, MASKS - start)
        masks = random_masks(count, image.shape[1:], generator).to(image)
        parts.append(masks)
        scores.append(probe.score(masks[:, None] * image))
    values = torch.cat(scores, 1)
    # A score that no mask changes differs by rounding alone.
    rounding = 16 * torch.finfo(values.dtype).eps * values.abs().amax(1, keepdim=True)
    weights = values - values.mean(1, keepdim=True)
    weights = torch.where(weights.abs() > rounding, weights, 0)
    masks = torch.cat(parts).to(weights.dtype)
    return torch.einsum("tn,n...->t...", weights, masks) / (MASKS * KEPT)


def random_masks(count: int, size: Sequence[int], generator: torch.Generator) -> Tensor:
    """Random cells, enlarged by linear interpolation and shifted by less than a cell.

    Args:
        count: of masks.
        size: of each, in pixels.
        generator: on the CPU.

    Returns:
        (count, *size), in [0, 1].

    >>> masks = random_masks(3, (9, 9), torch.Generator().manual_seed(0))
    >>> masks.shape, bool((masks >= 0).all() and (masks <= 1).all())
    (torch.Size([3, 9, 9]), True)
    """
    cells = (CELLS + 1,) * len(size)
    steps = torch.tensor([-(-side // CELLS) for side in size])
    kept, offsets = [], []
    for _ in range(count):  # mask by mask, so that any division into batches gives the same masks
        kept.append(torch.rand(cells, generator=generator) < KEPT)
        offsets.append((torch.rand(len(size), generator=generator) * steps).long().tolist())
    enlarged = resize(torch.stack(kept).float(), (steps * (CELLS + 1)).tolist())
    return torch.stack([_window(mask, at, size) for mask, at in zip(enlarged, offsets)])


def _window(mask: Tensor, offset: Sequence[int], size: Sequence[int]) -> Tensor:
    return mask[tuple(slice(first, first + side) for first, side in zip(offset, size))]
