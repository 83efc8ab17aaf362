"""Small models of Hugging Face in folders, as ``save_pretrained`` writes them."""

from pathlib import Path
from typing import Any

import pytest

LABELS = {0: "healthy", 1: "nodule", 2: "effusion"}


def transformers() -> Any:
    return pytest.importorskip("transformers", reason="Hugging Face, an optional extra")


def names() -> dict[str, Any]:
    """Labels as a configuration has them."""
    return {"id2label": LABELS, "label2id": {name: i for i, name in LABELS.items()}}


def tokens(**more: Any) -> dict[str, Any]:
    """Of a vision transformer of two blocks for images of 64 × 64 pixels."""
    small = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    return {**small, "image_size": 64, "patch_size": 16, **names(), **more}


def stages(**more: Any) -> dict[str, Any]:
    """Of a Swin transformer of two stages, on a grid of 16 × 16 and of 8 × 8 cells."""
    small = {"image_size": 64, "embed_dim": 12, "depths": [1, 1], "num_heads": [2, 2]}
    return {**small, "window_size": 4, **names(), **more}


# name → (architecture, its configuration)
CLASSIFIERS: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("ViTForImageClassification", tokens(intermediate_size=48)),
    "deit": ("DeiTForImageClassificationWithTeacher", tokens(intermediate_size=48)),
    "dinov2_registers": ("Dinov2WithRegistersForImageClassification", tokens()),
    "swin": ("SwinForImageClassification", stages()),
    "convnext": (
        "ConvNextForImageClassification",
        {"hidden_sizes": [8, 12, 16, 24], "depths": [1, 1, 1, 1], **names()},
    ),
    "resnet": (
        "ResNetForImageClassification",
        {
            "embedding_size": 8,
            "hidden_sizes": [8, 12, 16, 24],
            "depths": [1, 1, 1, 1],
            "layer_type": "basic",
            **names(),
        },
    ),
}

SEGMENTER = (
    "SegformerForSemanticSegmentation",
    {
        "hidden_sizes": [8, 16, 16, 24],
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 2, 2, 2],
        "decoder_hidden_size": 16,
        **names(),
    },
)


def build(architecture: str, config: dict[str, Any]) -> Any:
    """The network, with random weights."""
    cls = getattr(transformers(), architecture)
    return cls(cls.config_class(**config)).eval()


def save(folder: Path, network: Any, processor: Any = None) -> Path:
    """A folder with the network, and with the processor of its images where there is one."""
    network.save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
    return folder
