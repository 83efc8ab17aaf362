"""The checks, one a file. A new one is a file and a line here, in the order of the findings."""

from camlucida.workflows.doctor.checks import (
    batch,
    device,
    gradient,
    in_place,
    input_range,
    label_maps,
    labels,
    layer,
    methods,
    norms,
    output,
    place,
    predictions,
    rectifier,
    repeat,
    state,
    weights,
)
from camlucida.workflows.doctor.finding import CHECKS

CHECKS.add("state", state.check)
CHECKS.add("weights", weights.check)
CHECKS.add("output", output.check)
CHECKS.add("norms", norms.check)
CHECKS.add("input", input_range.check)
CHECKS.add("predictions", predictions.check)
CHECKS.add("repeat", repeat.check)
CHECKS.add("batch", batch.check)
CHECKS.add("device", device.check)
CHECKS.add("labels", labels.check)
CHECKS.add("layer", layer.check)
CHECKS.add("place", place.check)
CHECKS.add("rectifier", rectifier.check)
CHECKS.add("in_place", in_place.check)
CHECKS.add("gradient", gradient.check)
CHECKS.add("label_maps", label_maps.check)
CHECKS.add("methods", methods.check)
