"""The steps of Grad-CAM on one real image: activations, gradients, weights, weighted sum, map; for a figure of the method."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from camlucida.attribution.capture import capture
from camlucida.attribution.engine import explain
from camlucida.attribution.explained_model import ModelWithCard, explained_model
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.requests import TargetLike
from camlucida.core.errors import NoEvidenceError
from camlucida.core.scan import Scan
from camlucida.core.tensors import full
from camlucida.models.outputs import interpret
from camlucida.models.state import frozen


@dataclass(frozen=True)
class Stages:
    """What Grad-CAM computes, step by step.

    Attributes:
        activations: (K, *grid) A_k of the layer, on the CPU.
        gradients: (K, *grid) ∂score/∂A_k.
        weights: (K,) w_k, the mean of each channel's gradient.
        weighted: (K, *grid) w_k A_k.
        combined: (*grid) Σ_k w_k A_k, signed; the map is its positive part.
        explanation: the same case from :func:`~camlucida.attribution.engine.explain`: its ``raw`` is ``combined``.
    """

    activations: Tensor
    gradients: Tensor
    weights: Tensor
    weighted: Tensor
    combined: Tensor
    explanation: Explanation

    def strongest(self, count: int) -> list[int]:
        """Channels of the largest Σ |w_k A_k| over the grid, the first the largest."""
        return self._reach().argsort(descending=True, stable=True)[:count].tolist()

    @property
    def level(self) -> bool:
        """Whether each channel's gradient is the same in every cell, as where a mean and a linear layer follow."""
        flat = self.gradients.flatten(1)
        return bool((flat.amax(1) - flat.amin(1) <= 1e-4 * flat.abs().amax()).all())

    def share(self, channels: list[int]) -> float:
        """What these channels carry of Σ_k Σ |w_k A_k|, in [0, 1]; NaN where all of it is 0."""
        reach = self._reach().double()
        return float(reach[channels].sum() / reach.sum())

    def _reach(self) -> Tensor:
        return self.weighted.abs().flatten(1).sum(1)


def grad_cam_stages(
    model: nn.Module | ModelWithCard,
    scan: Scan,
    target: TargetLike | None = None,
    layer: str | None = None,
) -> Stages:
    """Run Grad-CAM on one image and keep every step.

    Args:
        model, target, layer: as :func:`~camlucida.attribution.engine.explain` takes them; of several targets the first is shown.
        scan: the image.

    Raises:
        NoEvidenceError: the request means no target for this image, or the score does not depend on the layer.
    """
    found = explain(model, scan, target, "gradcam", layer)
    explained = found[0].explained if found else None
    if explained is None:
        raise NoEvidenceError(f"{scan.id}: no target applies", "ask for another target")
    explanation = found[0]
    asked = explained_model(model)
    weight = next(asked.module.parameters())
    image = scan.tensor[None].to(weight.device, weight.dtype)
    with frozen(asked.module):
        forward = capture(asked.module, (image,), [explanation.layer], asked.spec.logits_from)
        reading = interpret(forward.logits, forward.output, forward.final, asked.spec, image)
        with torch.autocast(image.device.type, enabled=False):
            (gradient,) = forward.gradients(explained(reading.logits).sum(), keep_graph=False)
    if gradient is None:  # explain would have said so
        raise NoEvidenceError(f"the score does not depend on layer {explanation.layer}")
    activations, gradients = (
        full(part.detach())[0].cpu() for part in (forward.layers[0].activations, gradient)
    )
    weights = gradients.flatten(1).mean(1)
    weighted = weights.reshape(-1, *(1,) * (activations.ndim - 1)) * activations
    return Stages(activations, gradients, weights, weighted, weighted.sum(0), explanation)
