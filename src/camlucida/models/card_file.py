"""The file of a model card, and what is said of another file in its place."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.files import parse_toml

FACTORY_HELP = (
    'write "net.py:build", "package.module:callable", "torchvision:resnet50", "timm:…", "smp:…", '
    '"torchxrayvision:…", "hf:FOLDER", "onnx:FILE" or "keras:FILE"'
)

_KERAS = (
    "is a file of an earlier Keras, which is not read",
    'save it again in Python: keras.saving.load_model(FILE).save("net.keras")',
)
_TENSORFLOW = (
    "is a file of TensorFlow, which is not read",
    "convert it to ONNX with tf2onnx, and name that file",
)
_ARRAYS = (
    "holds arrays of NumPy, and no checkpoint",
    "save them as one: torch.save({name: torch.from_numpy(array), …}, 'weights.pth')",
)
_ENGINE = (
    "is a network compiled for a device, which hides its layers",
    "name the checkpoint or the ONNX file that it was made from",
)

_OTHERS = {
    **dict.fromkeys((".h5", ".hdf5"), _KERAS),
    **dict.fromkeys((".pb", ".tflite"), _TENSORFLOW),
    **dict.fromkeys((".npz", ".npy"), _ARRAYS),
    **dict.fromkeys((".engine", ".plan", ".trt", ".mlmodel", ".xml"), _ENGINE),
    ".pt2": (
        "is an exported program, which hides its layers",
        "save its weights in Python and name their file: "
        "torch.save(torch.export.load(FILE).state_dict, 'weights.pth')",
    ),
}
"""Suffix of a model's file that is not read → what it is, and the way to one that is."""


def read_card_file(path: Path) -> dict[str, Any]:
    """The keys of a card's file.

    Args:
        path: of the file.

    Raises:
        UsageError: it is no such file; the mend names what to do with another file of a model.
    """
    other = _OTHERS.get(path.suffix.lower())
    if other is not None:
        raise UsageError(f"{path.name} {other[0]}", other[1])
    if not path.is_file():
        raise _no_card(path)
    try:
        return parse_toml(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{path.name} is not valid TOML: {error}", 'strings need quotes: task = "multiclass"'
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path.name} is not a text file in UTF-8",
            "a model card is a TOML file; name checkpoints .pth, .pt, .ckpt or .safetensors",
        ) from error


def _no_card(path: Path) -> UsageError:
    if path.is_dir():
        fix = did_you_mean("card.toml", _cards_in(path))
        if (path / "config.json").is_file():
            fix = f"one of Hugging Face is named hf:{path}"
        return UsageError(f"{path} is a folder, not a model card", fix)
    if path.suffix != ".toml":
        what = f"{path} is neither a model card nor a factory"
        return UsageError(what, f"a card is a TOML file; for a factory {FACTORY_HELP}")
    if not path.parent.is_dir():
        return UsageError(f"no model card {path}: there is no folder {path.parent}")
    return UsageError(f"no model card {path}", did_you_mean(path.name, _cards_in(path.parent)))


def _cards_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.toml"))
