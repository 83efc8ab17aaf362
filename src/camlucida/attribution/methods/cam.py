"""CAM: the original class activation map."""

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.core.errors import NoEvidenceError
from camlucida.core.tensors import over_grid, spatial, weighted_sum


@method(
    "cam",
    "CAM",
    "Zhou et al. 2016, CVPR, Eq. 2",
    cost="1 forward",
    description="activations weighted by the classifier's own weights [@zhou2016]",
    formula="Σ_k w_k A_k",
    use="pooling and one linear head: the score, cell by cell",
    avoid="any other head: refused",
)
def cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Activations weighted by the class weights of a global-average-pooling + linear head.

    ``M_c(x, y) = Σ_k w_ck A_k(x, y)`` (Eq. 2), signed: M_c averages to the logit less its bias.

    The head's weights are read off the gradient, ``w_ck = N ∂y_c/∂A_k(x, y)`` for a grid of N
    cells, so no model code is needed. A ReLU between the layer and the pooling (DenseNet) zeroes
    the gradient of negative cells; the paper's A is then the rectified one.

    Args:
        activations: (B, K, *grid).
        gradients: (B, K, *grid).

    Returns:
        (B, *grid), signed.

    Raises:
        NoEvidenceError: the gradient differs from cell to cell, so what follows the layer is no
            GAP + linear head.

    >>> activations = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    >>> cam(activations, torch.full_like(activations, 0.25))
    tensor([[[1., 2.],
             [0., 4.]]])
    """
    axes = spatial(activations)
    cells = activations[0, 0].numel()
    high, low = gradients.amax(axes), gradients.amin(axes)
    weights = torch.where(high.abs() >= low.abs(), high, low)
    # Where a ReLU follows, the gradient of a cell that it cuts off is 0, not the channel's weight.
    passes = (gradients != 0) | (activations > 0)
    expected = over_grid(weights, gradients) * passes
    tolerance = 1e-4 * weights.abs().amax(1)
    deviation = (gradients - expected).abs()
    if bool((deviation > over_grid(tolerance[:, None], gradients)).any()):
        raise NoEvidenceError(
            "cam needs global average pooling and one linear layer after the layer; "
            "here the gradient varies over the grid",
            "use gradcam or hirescam, which hold for any head",
        )
    return weighted_sum(weights * cells, activations * passes)
