"""Models from other packages, a prefix each, and what is known of them.

Labels, scale of the input, kind of output. One file a package, which is imported only when a card
names it.
"""

from camlucida.models.zoo.converted import conversion_notes
from camlucida.models.zoo.huggingface import HUGGINGFACE, config_facts
from camlucida.models.zoo.keras import KERAS
from camlucida.models.zoo.monai_bundle import MONAI_BUNDLE, bundle_notes
from camlucida.models.zoo.onnx import ONNX
from camlucida.models.zoo.package import Args, Defaults, Zoo, guard
from camlucida.models.zoo.smp import SMP
from camlucida.models.zoo.timm import TIMM
from camlucida.models.zoo.torchvision import TORCHVISION
from camlucida.models.zoo.torchxrayvision import (
    TORCHXRAYVISION,
    hush,
    is_xrv,
    operating_points,
    xrv_defaults,
)

__all__ = [
    "ZOO",
    "Args",
    "Defaults",
    "Zoo",
    "bundle_notes",
    "config_facts",
    "conversion_notes",
    "guard",
    "hush",
    "is_xrv",
    "operating_points",
    "xrv_defaults",
]

ZOO: dict[str, Zoo] = {
    "torchvision": TORCHVISION,
    "timm": TIMM,
    "smp": SMP,
    "torchxrayvision": TORCHXRAYVISION,
    "hf": HUGGINGFACE,
    "onnx": ONNX,
    "keras": KERAS,
    "monai": MONAI_BUNDLE,
}
"""Prefix of a factory → the package behind it."""
