"""What the values of options mean: the model, its images, targets, and pairs.

Nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from camlucida.core.errors import CamlucidaError, ImageError, UsageError
from camlucida.core.failures import Failure

if TYPE_CHECKING:
    from camlucida.models import LoadedModel


def load(
    card: str,
    factory: str | None,
    checkpoint: str | None,
    device: str,
    output: str | None = None,
    region_score: Literal["mean", "sum"] | None = None,
    checkpoint_key: str | None = None,
) -> LoadedModel:
    """The model that the options of these names state."""
    from camlucida.models import load_model

    return load_model(
        card,
        factory=factory,
        checkpoint=checkpoint,
        checkpoint_key=checkpoint_key,
        output=output,
        region_score=region_score,
        device=device,
    )


def with_tokens(model: LoadedModel, grid: str | None, prefix: int | None) -> LoadedModel:
    """A model with what --grid and --prefix state of its tokens in its card.

    Args:
        model: loaded.
        grid: rows and columns, ``14x14``.
        prefix: number of tokens before the cells.

    Raises:
        UsageError: ``grid`` is not of this form.
    """
    stated: dict[str, Any] = {} if prefix is None else {"prefix": prefix}
    if grid is not None:
        numbers = grid.lower().replace("×", "x").split("x")
        if not all(number.isdecimal() and int(number) for number in numbers):
            raise UsageError(f"--grid {grid} is no grid", "write rows x columns: 14x14")
        stated["grid"] = tuple(map(int, numbers))
    return replace(model, card=model.card.model_copy(update=stated)) if stated else model


def find_images(items: Sequence[str]) -> tuple[list[Path], list[Failure]]:
    """The image files that arguments name, each once; a failure for each that names none.

    Args:
        items: files, folders and globs, as in :func:`camlucida.io.expand_paths`.

    Raises:
        UsageError: none of them names any.
    """
    from camlucida.io import expand_paths

    return _found(items, expand_paths)


def _found(
    items: Sequence[str],
    expand: Callable[[Sequence[str]], tuple[list[Path], list[ImageError]]],
) -> tuple[list[Path], list[Failure]]:
    paths: dict[Path, None] = {}
    failures: list[Failure] = []
    for item in items:
        files, errors = expand([item])
        paths.update(dict.fromkeys(files))
        failures += [Failure.of(item, error) for error in errors]
    if failures and not paths:
        raise UsageError("; ".join(map(str, failures)))
    return list(paths), failures


def find_inputs(items: Sequence[str], card: str) -> tuple[list[Path], list[Failure]]:
    """:func:`find_images`, or the volumes that arguments name for a model of volumes.

    Args:
        items: files, folders and globs, as in :func:`camlucida.io.volumes.expand_volumes`.
        card: as ``--model`` has it.

    Raises:
        UsageError: none of them names any.
    """
    from camlucida.io.card_file import is_of_volumes

    if not is_of_volumes(card):
        return find_images(items)
    from camlucida.io.volumes import expand_volumes

    return _found(items, expand_volumes)


def targets(words: Sequence[str] | None) -> list[Any] | None:
    """Targets as ``explain`` takes them; the files of ``mask:FILE`` are read here."""
    if not words:
        return None
    return [
        _mask_target(word.removeprefix("mask:")) if word.startswith("mask:") else word
        for word in words
    ]


def _mask_target(words: str) -> Any:
    """``FILE``, or ``FILE:LABEL`` where no file has the whole name."""
    import torch

    from camlucida.attribution.requests import given_mask
    from camlucida.io import read_image

    path, _, label = words.rpartition(":")
    if not path or Path(words).exists():
        path, label = words, ""
    try:
        pixels = read_image(path).pixels
    except CamlucidaError as error:
        raise UsageError(f"--target mask:{path}: {error.what}", error.fix) from error
    grey = pixels if pixels.ndim == 2 else pixels.mean(2)
    return given_mask(torch.from_numpy(grey) > 0.5, label or None)


def pairs(words: Sequence[str] | None, option: str) -> dict[str, str]:
    """What a repeatable option says as ``KEY=VALUE``.

    Args:
        words: of the option.
        option: its name, for the message.

    Raises:
        UsageError: a word without key or value, or a key twice.

    >>> pairs(["0=1", "1=2"], "--class-name")
    {'0': '1', '1': '2'}
    """
    values: dict[str, str] = {}
    for word in words or ():
        key, _, value = (part.strip() for part in word.partition("="))
        if not key or not value or key in values:
            reason = "twice" if key in values else "is no pair"
            raise UsageError(f"{option} {word} {reason}", "write it once as 0=NAME")
        values[key] = value
    return values
