"""Model cards, checkpoints and where models come from."""

from camlucida.models.card import Card
from camlucida.models.load import LoadedModel, load_model, of_images
from camlucida.models.preprocessing.spec import InputSpec

__all__ = ["Card", "InputSpec", "LoadedModel", "load_model", "of_images"]
