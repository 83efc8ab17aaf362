"""Pickles as data: tensors, arrays and plain values come out, and nothing in the file is called."""

from camlucida.io.pickles.machine import PickleDamage
from camlucida.io.pickles.read import PickledFile, read_pickled
from camlucida.io.pickles.stub import ClassName, Stub, as_list, as_mapping, plain

__all__ = [
    "ClassName",
    "PickleDamage",
    "PickledFile",
    "Stub",
    "as_list",
    "as_mapping",
    "plain",
    "read_pickled",
]
