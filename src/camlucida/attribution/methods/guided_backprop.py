"""Guided backpropagation."""

from torch import Tensor

from camlucida.attribution.guided import GuidedReLUs
from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.methods.base import method
from camlucida.core.errors import NoEvidenceError


@method(
    "guided_backprop",
    "Guided backpropagation",
    "Springenberg et al. 2015, ICLR Workshops, Section 3.4",
    kind="input",
    unit="none",
    cost="2 forwards + 1 backward pass",
    description=(
        "the gradient of the score by each pixel without what is negative behind a ReLU; it hardly "
        "changes when the model's weights are randomised [@springenberg2015]"
    ),
    formula="Σ_c guided ∂y/∂x_c",
    use="comparison with older work",
    avoid="any claim on the model",
    sanity="fails (Adebayo et al. 2018)",
)
def guided_backprop(probe: InputProbe) -> Tensor:
    """Gradient by the pixels without its negative part at each ReLU. Fails sanity checks: see docs.

    It outlines edges of the image and is nearly the same for every label and for randomised weights
    (Adebayo et al. 2018, NeurIPS; Nie et al. 2018, ICML): it shows the image rather than what the
    model learned of it. Nothing of the model is patched; bare functions count like modules.

    Args:
        probe: one image.

    Returns:
        (T, *spatial), signed, in score units for a unit of the model's input.

    Raises:
        NoEvidenceError: the model has no ReLU, or other functions in a ReLU's place.

    >>> import torch
    >>> from camlucida import explain
    >>> parts = torch.nn.ReLU(), torch.nn.AvgPool2d(2), torch.nn.Flatten()
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, -5.0]]]])
    >>> (e,) = explain(torch.nn.Sequential(*parts), image, 0, "guided_backprop")
    >>> e.raw.tolist()
    [[0.25, 0.25], [0.0, 0.0]]
    """
    return guided_gradients(probe).sum(1)


def guided_gradients(probe: InputProbe) -> Tensor:
    """Guided gradients of one image.

    Args:
        probe: one image.

    Returns:
        (T, C, *spatial).

    Raises:
        NoEvidenceError: as of :func:`guided_backprop`.
    """
    relus = GuidedReLUs()
    gradients = probe.gradients(probe.inputs, lambda: relus)[:, 0]
    if relus.others or not relus.guided:
        names = ", ".join(sorted(relus.others))
        what = f"activates by {names}" if names else "runs no ReLU that can be followed"
        raise NoEvidenceError(
            f"guided backpropagation is defined for ReLU networks, and this one {what}",
            "choose integrated_gradients or smoothgrad",
        )
    return gradients
