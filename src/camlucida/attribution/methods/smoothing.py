"""Eigen smoothing: the first principal component of what the channels add to a map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from camlucida.attribution.methods.base import VARIANTS, Caution, Method
from camlucida.attribution.methods.eigencam import oriented, undetermined
from camlucida.core.errors import NoEvidenceError, UsageError
from camlucida.core.messages import Message, declare

declare(
    "variants",
    {"eigen": "{description}; the first principal component of the channels replaces their sum"},
)


def eigen(method: Method) -> Method:
    """A method whose map is the first principal component of its channels' parts, not their sum.

    As ``eigen_smooth`` of pytorch-grad-cam (Gildenblat et al. 2021; no paper), but not centred, and
    with the sign of Eigen-CAM.

    Args:
        method: of activations and gradients.

    Raises:
        UsageError: the method is of another kind.

    >>> from camlucida.attribution.methods import METHODS
    >>> METHODS["gradcam:eigen"].title
    'Grad-CAM, eigen smoothing'
    """
    if method.kind not in ("gradient", "activation") or method.samples:
        raise UsageError(
            f"eigen smoothing is of a sum over the channels of a layer, and {method.name} is none",
            "choose gradcam:eigen",
        )
    return replace(
        method,
        name=f"{method.name}:eigen",
        title=f"{method.title}, eigen smoothing",
        run=partial(eigen_smoothed, method.run, method.name),
        caution=_cautions(method.caution),
    )


def eigen_smoothed(
    run: Callable[..., Tensor], name: str, activations: Tensor, gradients: Tensor | None = None
) -> Tensor:
    """First principal component of what each channel adds to a map.

    ``T_k`` is the map of channel k alone, and ``Σ_k T_k`` the method's map; ``T = U Σ Vᵀ`` as
    (positions × channels), ``L = T V_1``, as in Eigen-CAM.

    Args:
        run: of the method.
        name: of the method, for an error.
        activations: (B, K, *grid).
        gradients: (B, K, *grid); None of an activation method.

    Returns:
        (B, *grid), signed, in the units of the method.

    Raises:
        NoEvidenceError: the method's map is no sum over channels.
    """
    evidence = [activations] if gradients is None else [activations, gradients]
    parts = run(*(x.flatten(0, 1)[:, None] for x in evidence)).reshape(activations.shape)
    whole = run(*evidence)
    error = (parts.sum(1) - whole).abs().amax()
    if error > 1e-3 * torch.maximum(parts.abs().sum(1).amax(), whole.abs().amax()):
        raise NoEvidenceError(
            f"the map of {name} is no sum over channels, so eigen smoothing has nothing to take "
            "the first component of",
            "choose gradcam:eigen",
        )
    return oriented(parts)


def _cautions(of_method: Caution | None) -> Caution:
    def caution(maps: Tensor, *evidence: Tensor) -> list[Message | None]:
        own = undetermined(maps, *evidence)
        if of_method is None:
            return own
        return [first or second for first, second in zip(own, of_method(maps, *evidence))]

    return caution


VARIANTS.add("eigen", eigen)
