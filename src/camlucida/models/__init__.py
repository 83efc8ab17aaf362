"""Model cards, checkpoints and where models come from."""

from camlucida.models.card import Card, InputSpec
from camlucida.models.load import LoadedModel, load_model

__all__ = ["Card", "InputSpec", "LoadedModel", "load_model"]
