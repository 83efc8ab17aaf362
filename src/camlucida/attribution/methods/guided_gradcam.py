"""Guided Grad-CAM."""

from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.methods.gradcam import gradcam
from camlucida.attribution.methods.guided_backprop import guided_gradients
from camlucida.attribution.probe import Probe
from camlucida.core.tensors import resize


@method(
    "guided_gradcam",
    "Guided Grad-CAM",
    "Selvaraju et al. 2017, ICCV, Section 3.2",
    kind="probe",
    unit="none",
    cost="3 forwards + 2 backward passes",
    description=(
        "guided backpropagation, multiplied by the enlarged Grad-CAM of the layer; its detail is "
        "that of the image's edges [@selvaraju2017]"
    ),
    formula="guided ∂y/∂x × relu(Grad-CAM)",
    use="a detailed picture for older work",
    avoid="any claim on detail: it is the image's",
    sanity="fails (Adebayo et al. 2018)",
)
def guided_gradcam(probe: Probe) -> Tensor:
    """Guided backpropagation times the enlarged Grad-CAM of the layer; a map of the pixels.

    The place is Grad-CAM's, no finer than the layer's grid. The detail is guided backpropagation's,
    which fails the sanity checks (see there): edges of the image, not what the model uses.

    Args:
        probe: one image.

    Returns:
        (T, *spatial), signed, without a unit.

    Raises:
        NoEvidenceError: as of guided backpropagation.

    >>> import torch
    >>> from camlucida import explain
    >>> parts = torch.nn.ReLU(), torch.nn.AvgPool2d(2), torch.nn.Flatten()
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    >>> (e,) = explain(torch.nn.Sequential(*parts), image, 0, "guided_gradcam", layer="0")
    >>> e.raw.tolist()  # Grad-CAM ¼ A, times ¼ where A > 0
    [[0.0625, 0.125], [0.0, 0.25]]
    """
    ((activations, gradients),) = probe.evidence(probe.inputs)
    maps = gradcam(activations.expand(len(gradients), *activations.shape[1:]), gradients[:, 0])
    enlarged = resize(maps.relu(), probe.inputs.shape[2:])
    return enlarged * guided_gradients(probe.pixels).sum(1)
