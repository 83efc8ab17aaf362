"""A transform of torchvision, timm or MONAI → ``[input]`` of a model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from camlucida.core.errors import UsageError
from camlucida.models.factory import load_object
from camlucida.models.preprocessing.spec import ALWAYS, InputSpec
from camlucida.models.transforms.pipeline import read_transform
from camlucida.models.transforms.reading import WRITE_STEPS, name_of


def input_of_transform(transform: object, stated: Mapping[str, Any], base: Path) -> InputSpec:
    """``[input]`` with the steps of a transform.

    Args:
        transform: the transform; or where it is, ``train.py:val_transform``.
        stated: keys of ``[input]`` that the card states beside it, such as ``channels``.
        base: folder that the file is relative to.

    Raises:
        UsageError: a step that a card does not know, by its name; keys that contradict the steps.
        ModelError: the file cannot be imported, or has no such name.
    """
    where = transform if isinstance(transform, str) else name_of(transform)
    if isinstance(transform, str):
        transform = load_object(transform, base)
    fields = read_transform(transform, where)
    beside = {key: stated[key] for key in ALWAYS if key in stated}
    others = sorted(set(stated) - set(ALWAYS))
    if others:
        raise UsageError(
            f"[input] has a transform and {', '.join(others)}", "the transform is the whole of it"
        )
    beside.pop("steps", None)
    try:
        return InputSpec.model_validate({**fields, **beside})
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(f"{where}: {reason}", WRITE_STEPS) from error
