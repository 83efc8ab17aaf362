"""Transforms of training code, read into the steps of a card."""

from camlucida.models.transforms.pipeline import read_transform
from camlucida.models.transforms.read import input_of_transform

__all__ = ["input_of_transform", "read_transform"]
