"""Which of the tensors that a model returns is explained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import SimpleNamespace
from typing import Any

from torch import Tensor

from camlucida.core.errors import ModelError, ModelMismatchError, did_you_mean
from camlucida.core.output_spec import OutputSpec

CONVENTIONAL = ("logits", "out")
"""Names that mean the main output wherever they are used (Hugging Face, torchvision)."""


def named_items(output: Any) -> list[tuple[str, Any]]:
    """The named parts of a model's output.

    Args:
        output: a mapping, named tuple, dataclass or namespace, whose parts have names; a list or
            tuple, whose parts have numbers; anything else has none.

    >>> named_items({"a": 1, "b": 2}), named_items([5])
    ([('a', 1), ('b', 2)], [('0', 5)])
    """
    if isinstance(output, Mapping):
        return [(str(key), item) for key, item in output.items()]
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return list(zip(output._fields, output))
    if isinstance(output, (list, tuple)):
        return [(str(i), item) for i, item in enumerate(output)]
    if is_dataclass(output) and not isinstance(output, type):
        return [(field.name, getattr(output, field.name)) for field in fields(output)]
    if isinstance(output, SimpleNamespace):
        return list(vars(output).items())
    return []


def tensors_of(output: Any) -> dict[str, Tensor]:
    """Every floating-point tensor of a model's output, by its dotted name.

    Args:
        output: a tensor, whose name is "", or what :func:`named_items` takes, nested or not.

    >>> import torch
    >>> list(tensors_of({"a": torch.zeros(1), "more": [torch.zeros(1), None]}))
    ['a', 'more.0']
    """
    return dict(_walk(output, ""))


def _walk(output: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield name, output
        return
    for key, item in named_items(output):
        yield from _walk(item, f"{name}.{key}".lstrip("."))


def choose(output: Any, spec: OutputSpec, images: Tensor) -> Tensor:
    """The tensor that is explained.

    The named one; else the only one; else ``logits`` or ``out``; else the one that fits the task
    and the labels; of dense outputs at different resolutions (deep supervision) the finest.

    Args:
        output: as the model returned it.
        spec: with ``head``, ``task`` and ``labels``, as far as they are known.
        images: the inputs (B, C, *spatial).

    Raises:
        ModelError: there is no tensor of floating-point numbers.
        ModelMismatchError: there is no such head, or more than one tensor could be meant.

    >>> import torch
    >>> images, heads = torch.zeros(1, 1, 4, 4), {"a": torch.zeros(1, 2), "b": torch.ones(1, 3)}
    >>> choose(heads, OutputSpec(head="b"), images).shape
    torch.Size([1, 3])
    """
    tensors = tensors_of(output)
    if not tensors:
        raise ModelError(
            "the model returns no tensor of floating-point numbers",
            "wrap it so that forward returns logits (B, C)",
        )
    if spec.head is not None:
        return _named(tensors, output, spec.head)
    of_images = {name: x for name, x in tensors.items() if _fits_images(x, images)}
    if len(of_images) < 2:
        return next(iter((of_images or tensors).values()))
    for name in CONVENTIONAL:
        if name in of_images:
            return of_images[name]
    chosen = _by_task_and_labels(of_images, spec, images)
    if chosen is None:
        raise ModelMismatchError(
            f"the model returns {len(of_images)} tensors: {_listed(of_images)}",
            f"choose the one to explain: output = {_options(of_images)}",
        )
    return chosen


def _fits_images(x: Tensor, images: Tensor) -> bool:
    return x.ndim > 0 and x.shape[0] == images.shape[0]


def _named(tensors: Mapping[str, Tensor], output: Any, head: str | int) -> Tensor:
    name = str(head)
    if isinstance(output, Tensor):
        if name in ("0", "-1"):
            return output
        raise ModelMismatchError(
            f"output = {head!r} names one of several outputs, and the model returns one tensor",
            "leave it out",
        )
    if name in tensors:
        return tensors[name]
    if name.lstrip("-").isdigit():
        parts = [item for _, item in named_items(output)]
        index = int(name)
        part = parts[index] if -len(parts) <= index < len(parts) else None
        if isinstance(part, Tensor) and part.is_floating_point():
            return part
    raise ModelMismatchError(
        f"the model returns no output {head!r}: it returns {_listed(tensors)}",
        did_you_mean(name, tensors),
    )


def _by_task_and_labels(
    tensors: Mapping[str, Tensor], spec: OutputSpec, images: Tensor
) -> Tensor | None:
    """The one tensor that can be meant; None where that is not clear."""
    fitting = list(tensors.values())
    top = [x for name, x in tensors.items() if "." not in name]
    # What lies deeper (hidden states, attentions) is looked at only where nothing else is there.
    fitting = top or fitting
    if spec.task is not None:
        dense = spec.task == "segmentation"
        fitting = [x for x in fitting if is_dense(x, images) == dense and _has_labels(x, images)]
    if spec.labels:
        fitting = [x for x in fitting if channels(x) in _counts(spec)]
    return _finest(fitting, images)


def _has_labels(x: Tensor, images: Tensor) -> bool:
    return x.ndim in (1, 2) or x.ndim == images.ndim


def _counts(spec: OutputSpec) -> tuple[int, ...]:
    count = len(spec.labels)
    return (count, 1) if spec.task == "binary" and count == 2 else (count,)


def _finest(fitting: Sequence[Tensor], images: Tensor) -> Tensor | None:
    """The only one, or of one output at several resolutions the finest."""
    if len(fitting) < 2:
        return fitting[0] if fitting else None
    same_output = len({channels(x) for x in fitting}) == 1
    cells = [x[0].numel() for x in fitting]
    if not same_output or not all(is_dense(x, images) for x in fitting):
        return None
    if cells.count(max(cells)) > 1:
        return None
    return fitting[cells.index(max(cells))]


def channels(x: Tensor) -> int:
    """Outputs of (B, C, …) or (B,).

    >>> import torch
    >>> channels(torch.zeros(2)), channels(torch.zeros(2, 3, 4, 4))
    (1, 3)
    """
    return 1 if x.ndim < 2 else x.shape[1]


def is_dense(x: Tensor, images: Tensor) -> bool:
    """Whether an output has a value a position; spatial axes of size 1 are none.

    Args:
        x: the output, (B, C, …).
        images: the inputs (B, C, *spatial).

    >>> import torch
    >>> images = torch.zeros(2, 1, 8, 8)
    >>> is_dense(torch.zeros(2, 3, 4, 4), images), is_dense(torch.zeros(2, 3, 1, 1), images)
    (True, False)
    """
    one_position = x.shape[2:].numel() == 1 and images.shape[2:].numel() > 1
    return x.ndim == images.ndim and not one_position


def _listed(tensors: Mapping[str, Tensor], limit: int = 8) -> str:
    lines = []
    for name, x in tensors.items():
        sizes = ", ".join(map(str, ("B", *x.shape[1:])))
        lines.append(f"{name} ({sizes})")
    rest = f", … ({len(lines)} in all)" if len(lines) > limit else ""
    return ", ".join(lines[:limit]) + rest


def _options(tensors: Mapping[str, Tensor]) -> str:
    names = [name if name.isdigit() else f'"{name}"' for name in tensors]
    return " or ".join(names[:4])
