"""LayerCAM."""

from torch import Tensor

from camlucida.attribution.methods.base import method


@method(
    "layercam",
    "LayerCAM",
    "Jiang et al. 2021, IEEE TIP, Eq. 5–7",
    relu=True,
    description=(
        "activations weighted cell by cell by the positive gradient, then ReLU [@jiang2021]"
    ),
    formula="Σ_k relu(g_k) A_k",
    use="earlier, finer layers",
    avoid="evidence against the label",
)
def layercam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Activations weighted cell by cell by their positive gradients; also for early layers.

    ``w_k(i, j) = ReLU(∂y/∂A_k(i, j))`` (Eq. 5), ``L = ReLU(Σ_k w_k ⊙ A_k)`` (Eq. 6–7).

    Args:
        activations: (B, K, *grid).
        gradients: (B, K, *grid).

    Returns:
        (B, *grid), in score units.

    >>> import torch
    >>> activations = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    >>> gradients = torch.tensor([[[[1.0, 1.0], [1.0, -1.0]]]])
    >>> layercam(activations, gradients)
    tensor([[[1., 2.],
             [0., 0.]]])
    """
    return (gradients.relu() * activations).sum(1)
