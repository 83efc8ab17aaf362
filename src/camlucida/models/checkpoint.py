"""Checkpoints: tensors in, nothing else.

A file that is more than tensors is refused, never opened another way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from camlucida.core.errors import ModelError, did_you_mean
from camlucida.core.files import reading

State = Mapping[str, Tensor]
"""A state dict: names of parameters and buffers → tensors."""

_NESTED = ("state_dict", "model_state_dict", "model")
"""Where training scripts put the state dict when they save more than it."""

_WRAPPERS = ("module.", "model.", "_orig_mod.")
"""What DataParallel, Lightning and torch.compile put before each key."""

_SUFFIXES = (".pth", ".pt", ".safetensors", ".ckpt", ".bin")


def load_state(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from ``.safetensors``, or from ``.pth``/``.pt`` with ``weights_only=True``.

    Args:
        path: a plain state dict, or one under ``state_dict``, ``model_state_dict`` or ``model``.

    Returns:
        names → tensors on the CPU, with the names as they are in the file.

    Raises:
        ModelError: no such file, a damaged one, or one that holds more than tensors.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     torch.save({"state_dict": {"weight": torch.ones(2)}}, f"{folder}/a.pth")
    ...     load_state(f"{folder}/a.pth")
    {'weight': tensor([1., 1.])}
    """
    path = Path(path)
    head = _head(path)
    if path.suffix == ".safetensors" or (head[8:9] == b"{" and head[:2] != b"PK"):
        try:
            return safetensors.torch.load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise ModelError(
                f"{path.name} is not a whole safetensors file: {_shortened(error)}", _AGAIN
            ) from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes fail anywhere in the unpickler, with any type
        raise _refused(path, error) from error
    return _state_of(content, path)


def load_checkpoint(module: nn.Module, path: str | Path) -> None:
    """Load the weights of a file into a module, all of them or none.

    Prefixes that wrappers put before each key (``module.``, ``model.``, ``_orig_mod.``) are taken
    off, or put on, where that makes the keys match exactly. A buffer that is None in the module may
    be there or not: the operating points of a TorchXRayVision model belong to its weights.

    Args:
        module: changed in place.
        path: see :func:`load_state`.

    Raises:
        ModelError: the file cannot be read, or a key or shape does not match; nothing is loaded.
    """
    path = Path(path)
    present = module.state_dict()
    weights = {key: value for key, value in present.items() if isinstance(value, Tensor)}
    required = set(weights)
    empty = _empty_buffers(module)
    allowed = required | set(empty)
    candidates = list(layouts(load_state(path)))
    state = next((s for s in candidates if required <= set(s) <= allowed), None)
    if state is None:
        closest = set(max(candidates, key=lambda s: len(required & set(s))))
        raise _mismatch(path, required - closest, closest - allowed, len(weights))
    _check_shapes(path, {key: state[key] for key in weights}, weights)
    for key in set(state) - required:
        owner, name = empty[key]
        owner.register_buffer(name, torch.zeros_like(state[key]))
    module.load_state_dict({**present, **state}, strict=True)


def _empty_buffers(module: nn.Module) -> dict[str, tuple[nn.Module, str]]:
    """Key → module and name of each buffer that is None."""
    empty = {}
    for path, part in module.named_modules():
        for name, value in part._buffers.items():
            if value is None:
                empty[f"{path}.{name}".lstrip(".")] = (part, name)
    return empty


def _check_shapes(path: Path, state: State, weights: State) -> None:
    shapes = []
    for key, tensor in state.items():
        expected = weights[key]
        if tensor.shape != expected.shape:
            shapes.append(f"{key}: file {_shape(tensor)} vs model {_shape(expected)}")
    if shapes:
        count = f"{len(shapes)} of {len(weights)} shapes differ"
        raise ModelError(
            f"{path.name} does not fit the model: {count}: {_first(shapes, '; ')}",
            "the factory's args (number of classes, channels, width) must be those of training",
        )


def weights_sha256(module: nn.Module) -> str:
    """A hash of a state dict's names, types, shapes and bytes, whatever its file or device.

    Args:
        module: any.

    Returns:
        64 hexadecimal digits.

    >>> weights_sha256(nn.ReLU()) == weights_sha256(nn.Flatten())
    True
    """
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        if isinstance(value, Tensor):
            head = f"{key}|{value.dtype}|{tuple(value.shape)}|"
            digest.update(head.encode())
            flat = value.detach().cpu().contiguous().reshape(-1)
            # As bytes, because NumPy has no bfloat16.
            raw = flat.view(torch.uint8).numpy()
            digest.update(raw.tobytes())
        else:  # a module's own extra state
            digest.update(f"{key}|{value!r}|".encode())
    return digest.hexdigest()


_AGAIN = "it may be cut short or damaged: copy or download it again"
_RESAVE = "re-save it where it was trained: torch.save(model.state_dict(), 'weights.pth')"


def _head(path: Path) -> bytes:
    """The first bytes of a file that may be a checkpoint."""
    with reading(path, ModelError, "the checkpoint"):
        if not path.exists():
            raise _missing(path)
        if not path.is_file():
            raise ModelError(f"the checkpoint {path} is a folder, not a file")
        with path.open("rb") as file:
            head = file.read(512)
    text = head.lstrip().lower()
    if not head:
        raise ModelError(f"the checkpoint {path.name} is empty", _AGAIN)
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise ModelError(
            f"{path.name} is a web page, not a checkpoint",
            "the download gave a page: fetch the file itself",
        )
    if text.startswith(b"version https://git-lfs"):
        raise ModelError(
            f"{path.name} is a Git LFS pointer, not the checkpoint", "fetch it with: git lfs pull"
        )
    return head


def _missing(path: Path) -> ModelError:
    if not path.parent.is_dir():
        return ModelError(f"no checkpoint {path}: there is no folder {path.parent}")
    files = sorted(p.name for p in path.parent.iterdir() if p.suffix in _SUFFIXES)
    fix = "there is none in that folder"
    if files:
        fix = did_you_mean(path.name, files)
    return ModelError(f"no checkpoint {path}", fix)


def _refused(path: Path, error: Exception) -> ModelError:
    """What ``torch.load`` could not read, in our words."""
    text = str(error)
    match = re.search(r"\bGLOBAL ([\w.]+)", text)
    if match:
        named = match[1]
        risk = "refused by weights_only, because opening such a file can run any code"
        what = f"{path.name} holds more than tensors (it names {named}): {risk}"
        if named.startswith("torchxrayvision."):
            return ModelError(
                what,
                f"without checkpoint the package fetches its own weights; for yours, {_RESAVE}",
            )
        return ModelError(what, _RESAVE)
    if "TorchScript" in text:
        what = f"{path.name} is a TorchScript program, not a state dict: refused by weights_only"
        return ModelError(
            what, "torch.save(torch.jit.load(file).state_dict(), 'weights.pth') gives one"
        )
    reason = re.search(
        r"WeightsUnpickler error:\s*(.*?)\s*(?:Check the documentation|$)", text, re.DOTALL
    )
    # The rest of PyTorch's text advises unsafe loading.
    shown = reason[1] if reason else _shortened(error)
    detail = shown or type(error).__name__
    return ModelError(f"{path.name} is not a readable checkpoint: {detail}", _AGAIN)


def _state_of(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict itself, or the one nested in what a training script saved."""
    if not isinstance(content, Mapping):
        raise ModelError(f"{path.name} holds a {type(content).__name__}, not a state dict", _RESAVE)
    for candidate in (content, *map(content.get, _NESTED)):
        if _is_state(candidate):
            return dict(candidate)
    keys = _first([str(key) for key in content]) or "nothing"
    what = f"{path.name} holds no state dict: its keys are {keys}"
    raise ModelError(what, f"looked at the whole file and under {', '.join(_NESTED)}; {_RESAVE}")


def _is_state(candidate: object) -> TypeGuard[State]:
    """Whether it is a mapping from names to tensors, and not empty."""
    if not isinstance(candidate, Mapping) or not candidate:
        return False
    named = all(isinstance(key, str) for key in candidate)
    return named and all(isinstance(value, Tensor) for value in candidate.values())


def _wrapper(state: State) -> str | None:
    """The first wrapper's prefix that a key begins with."""
    for prefix in _WRAPPERS:
        if any(key.startswith(prefix) for key in state):
            return prefix
    return None


def layouts(state: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The state as it is, with wrappers' prefixes taken off, and with prefixes put on.

    Args:
        state: as it is in a file.

    >>> [list(layout) for layout in layouts({"module.weight": torch.ones(1)})]
    [['module.weight'], ['weight'], ['module.weight'], ['model.weight']]
    """
    yield state
    stripped = state
    while prefix := _wrapper(stripped):
        shorter = {key.removeprefix(prefix): value for key, value in stripped.items()}
        if len(shorter) < len(stripped):  # two keys would become one
            break
        stripped = shorter
        yield stripped
    for prefix in ("module.", "model."):
        yield {prefix + key: value for key, value in stripped.items()}


def _mismatch(path: Path, missing: set[str], unexpected: set[str], total: int) -> ModelError:
    parts = []
    for name, keys in (("missing", missing), ("unexpected", unexpected)):
        if keys:
            examples = _first(sorted(keys))
            parts.append(f"{len(keys)} {name} ({examples})")
    what = (
        f"{path.name} does not fit the model ({total} keys): {', '.join(parts)}; nothing was loaded"
    )
    return ModelError(what, "the factory must build the architecture that was trained")


def _first(names: list[str], separator: str = ", ", limit: int = 5) -> str:
    shown = names[:limit]
    if len(names) > limit:
        shown = [*shown, "…"]
    return separator.join(shown)


def _shape(tensor: Tensor) -> str:
    sizes = ", ".join(map(str, tensor.shape))
    return f"({sizes})"


def _shortened(error: BaseException, limit: int = 200) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= limit else f"{text[:limit]}…"
