"""The steps of Grad-CAM on one image, for a figure of the method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from camlucida.attribution.engine import explain_by
from camlucida.attribution.explained_model import ModelWithCard
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.methods import METHODS
from camlucida.attribution.requests import TargetLike
from camlucida.core.errors import NoEvidenceError
from camlucida.core.scan import Scan


@dataclass(frozen=True)
class Stages:
    """What Grad-CAM computes, step by step.

    Attributes:
        activations: (K, *grid) A_k of the layer, on the CPU.
        gradients: (K, *grid) ∂score/∂A_k.
        weights: (K,) w_k, the mean of each channel's gradient.
        weighted: (K, *grid) w_k A_k.
        combined: (*grid) Σ_k w_k A_k, signed; the map is its positive part.
        explanation: the same case from :func:`~camlucida.attribution.engine.explain`: its ``raw``
            is ``combined``.
    """

    activations: Tensor
    gradients: Tensor
    weights: Tensor
    weighted: Tensor
    combined: Tensor
    explanation: Explanation

    def strongest(self, count: int) -> list[int]:
        """Channels of the largest Σ |w_k A_k| over the grid, the largest first.

        Args:
            count: of channels; a layer with fewer gives them all.
        """
        return self._magnitudes().argsort(descending=True, stable=True)[:count].tolist()

    @property
    def level(self) -> bool:
        """Whether each channel's gradient is the same in every cell.

        It is where a mean over the grid and a linear layer follow.
        """
        flat = self.gradients.flatten(1)
        spread = flat.amax(1) - flat.amin(1)
        return bool((spread <= 1e-4 * flat.abs().amax()).all())

    def share(self, channels: Sequence[int]) -> float:
        """The part of Σ_k Σ |w_k A_k| in these channels.

        Args:
            channels: their numbers, from 0.

        Returns:
            In [0, 1]; NaN where the sum over all channels is 0.
        """
        magnitudes = self._magnitudes().double()
        return float(magnitudes[list(channels)].sum() / magnitudes.sum())

    def _magnitudes(self) -> Tensor:
        return self.weighted.abs().flatten(1).sum(1)


def grad_cam_stages(
    model: nn.Module | ModelWithCard,
    scan: Scan,
    target: TargetLike | None = None,
    layer: str | None = None,
) -> Stages:
    """Run Grad-CAM on one image and keep every step.

    Args:
        model: as :func:`~camlucida.attribution.engine.explain` takes it.
        scan: the image.
        target: as there; the first of several targets is shown.
        layer: as there.

    Raises:
        NoEvidenceError: the request means no target for this image, or the score does not depend on
            the layer.
    """
    gradcam = METHODS["gradcam"]
    seen: list[tuple[Tensor, Tensor]] = []

    def recorded(activations: Tensor, gradients: Tensor) -> Tensor:
        seen.append((activations, gradients))
        raw: Tensor = gradcam.run(activations, gradients)
        return raw

    # The stages are those of the very pass that makes the map: the model runs once.
    explanations = explain_by(model, scan, replace(gradcam, run=recorded), target, layer)
    if not explanations or explanations[0].explained is None:
        raise NoEvidenceError(f"{scan.id}: no target applies", "request another target")
    activations, gradients = (values[0].cpu() for values in seen[0])
    weights = gradients.flatten(1).mean(1)
    weighted = weights.reshape(-1, *(1,) * (activations.ndim - 1)) * activations
    return Stages(activations, gradients, weights, weighted, weighted.sum(0), explanations[0])
