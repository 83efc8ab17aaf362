"""From an image to the model's input, as in training; one step a line of the card."""

from camlucida.models.preprocessing.run import prepare, prepared_inputs
from camlucida.models.preprocessing.unit import no_unit_scale, unit_scale

__all__ = ["no_unit_scale", "prepare", "prepared_inputs", "unit_scale"]
