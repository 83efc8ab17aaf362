"""From an image to the model's input, as in training; one step a line of the card."""

from camlucida.models.preprocessing.run import prepare, prepared_inputs
from camlucida.models.preprocessing.unit import no_unit_scale, unit_scale
from camlucida.models.preprocessing.volume_run import prepare_volume
from camlucida.models.preprocessing.volume_spec import VolumeInput

__all__ = [
    "VolumeInput",
    "no_unit_scale",
    "prepare",
    "prepare_volume",
    "prepared_inputs",
    "unit_scale",
]
