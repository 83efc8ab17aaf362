"""FCN, DeepLabV3 and LR-ASPP of torchvision: the last feature map of their backbone."""

from torch import nn

from camlucida.models.families.base import ModelFamily, class_is


def _last_of_backbone(model: nn.Module) -> str:
    """The backbone ends with the layer that the classifier reads."""
    *_, (name, _) = model.get_submodule("backbone").named_children()
    return f"backbone.{name}"


FAMILY = ModelFamily(
    "Segmentation (torchvision)",
    matches=lambda m: class_is(m, "torchvision", "FCN", "DeepLabV3", "LRASPP"),
    layer=_last_of_backbone,
    aliases=lambda m: {"encoder_last": _last_of_backbone(m)},
)
