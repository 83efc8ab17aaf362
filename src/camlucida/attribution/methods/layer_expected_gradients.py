"""Expected gradients at a layer."""

from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.methods.expected_gradients import NODES, flat_references
from camlucida.attribution.methods.layer_integrated_gradients import layer_attributions
from camlucida.attribution.probe import Probe


@method(
    "layer_expected_gradients",
    "Layer expected gradients",
    "Erion et al. 2021, Nature Machine Intelligence 3:620–631, with activations in the place of "
    "pixels",
    kind="probe",
    cost="5 forwards + 134 replays of the tail + 132 backward passes",
    description=(
        "layer integrated gradients, the mean over references: the activations of flat images of "
        "four grey levels that occur in the image itself [@erion2021]"
    ),
    formula="the mean of these over A'",
    use="the same with several references",
    avoid="speed",
)
def layer_expected_gradients(probe: Probe, references: Tensor | None = None) -> Tensor:
    """Integrated gradients of a layer's activations, averaged over reference images.

    As ``layer_integrated_gradients``; the references are those of ``expected_gradients``: four
    flat images, whose levels are quantiles of the image's own values.

    Args:
        probe: one image.
        references: (R, C, *spatial), preprocessed as the image, such as films of the training data;
            None takes the flat images.

    Returns:
        (T, *grid), signed, in score units.

    The image less the mean of its references, through a linear model:

    >>> import torch
    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.Identity(), torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> image = torch.tensor([[[[1.0, 1.0], [3.0, 3.0]]]])
    >>> (explanation,) = explain(net, image, 0, "layer_expected_gradients", layer="0")
    >>> explanation.raw
    tensor([[-0.2500, -0.2500],
            [ 0.2500,  0.2500]])
    """
    given = flat_references(probe.inputs) if references is None else references.to(probe.inputs)
    return layer_attributions(probe, given, NODES)
