"""Which layer: ``auto``, a family's alias, or a dotted path with indices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from camlucida.core.errors import LayerError, UsageError, did_you_mean
from camlucida.models.families import Layout, ModelFamily, find_family
from camlucida.models.walk import named_modules

_STEP = re.compile(r"\[(-?\d+)\]|([^.\[\]]+)")

WRAPPERS = ("module", "_orig_mod", "model", "net", "network", "self")
"""Names under which DataParallel, torch.compile and training modules hold a network."""


@dataclass(frozen=True)
class LayerRef:
    """A layer found in a model.

    Attributes:
        path: dotted path of the module, as in ``named_modules()``.
        index: which of the module's outputs, for a module that returns a list of feature maps (an
            encoder); else None.
    """

    path: str
    index: int | None = None

    def __str__(self) -> str:
        return self.path if self.index is None else f"{self.path}[{self.index}]"


LayerLike = str | nn.Module
"""How users request a layer: by its name, or the module itself."""


def parse_path(model: nn.Module, text: str) -> LayerRef:
    """A dotted path with indices, ``layer4[-1].conv2`` or ``encoder[5]``, as a :class:`LayerRef`.

    Args:
        model: that the path starts from.
        text: names of submodules, separated by dots; [i] picks a child of a container, counted from
            0, or from the end where negative. At the end of the path, behind a module that is no
            container, it picks one of the module's outputs. Where there is no such path, wrappers
            at its beginning are left out or put in, if that leaves one layer.

    Returns:
        The layer, by its first name in ``named_modules()``.

    Raises:
        LayerError: no such module; the message names near matches.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.Flatten()))
    >>> str(parse_path(net, "1[-1]")), str(parse_path(net, "0[2]"))
    ('1.1', '0[2]')
    >>> str(parse_path(net, "module.1[0]"))
    '1.0'
    """
    try:
        return _walk(model, text)
    except LayerError:
        refs = dict.fromkeys(_through_wrappers(model, text))
        if len(refs) > 1:
            raise LayerError(
                f"layer {text!r} is in the model more than once",
                f"choose {' or '.join(map(str, refs))}",
            ) from None
        if not refs:
            raise
        return next(iter(refs))


def _walk(model: nn.Module, text: str) -> LayerRef:
    """The layer at the end of a path, step by step."""
    steps = _STEP.findall(text)
    if not re.fullmatch(r"([^.\[\]]+|\[-?\d+\])(\.[^.\[\]]+|\[-?\d+\])*", text):
        raise LayerError(
            f"layer {text!r} is no dotted path",
            "write it as layer4[-1].conv2 or features.denseblock4",
        )
    module, path = model, ""
    for position, (index, name) in enumerate(steps):
        # Not named_children(), which leaves out a module that has come before under another name.
        items = module._modules.items()
        children = {key: child for key, child in items if child is not None}
        is_container = isinstance(module, (nn.Sequential, nn.ModuleList))
        if name in children:
            key = name
        elif index and is_container:
            key = _child_at(list(children), int(index), path, text)
        elif index and path and position == len(steps) - 1:
            # No container: the index picks one of its outputs.
            parent = _walk(model, path)
            return LayerRef(parent.path, int(index))
        else:
            raise _no_layer(model, text)
        module = children[key]
        path = f"{path}.{key}" if path else key
    return LayerRef(_first_name(model, module) or path)


def _through_wrappers(model: nn.Module, text: str) -> Iterator[LayerRef]:
    """The layers that a path means with wrappers left out, or put in, at its beginning.

    ``module.layer4`` of a checkpoint trained with DataParallel, ``model.layer4`` as it is written
    in Python, or ``layer4`` of the network in a training module.
    """
    first, _, rest = text.partition(".")
    if first in WRAPPERS and rest:
        refs = _parsed(model, rest)
        if refs:
            yield from refs
            return
    for name in WRAPPERS:
        inner = dict(model.named_children()).get(name)
        if inner is not None:
            for ref in _parsed(inner, text):
                path = _first_name(model, inner.get_submodule(ref.path))
                yield LayerRef(path or f"{name}.{ref.path}", ref.index)


def _parsed(model: nn.Module, text: str) -> list[LayerRef]:
    try:
        return [parse_path(model, text)]
    except LayerError:
        return []


def _first_name(model: nn.Module, module: nn.Module) -> str | None:
    """The first of the names under which a module sits in the model."""
    return next((name for name, other in named_modules(model) if other is module), None)


def layer_name(model: nn.Module, layer: LayerLike) -> str:
    """A layer as it is named in requests and records.

    Args:
        model: a plain module.
        layer: a name or path, or the module itself.

    Raises:
        LayerError: the module is none of the model's.
        UsageError: neither a name nor a module.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    >>> layer_name(net, net[-1]), layer_name(net, "auto")
    ('1', 'auto')
    """
    if isinstance(layer, nn.Module):
        name = _first_name(model, layer)
        if not name:
            kind = type(layer).__name__
            what = "is the model itself" if name == "" else "is no part of the model"
            raise LayerError(
                f"the layer of type {kind} that was given {what}",
                "give a module of the model that is explained, or its path",
            )
        return name
    if isinstance(layer, (str, LayerRef)):
        return str(layer).strip()
    raise UsageError(
        f"layer {layer!r} is neither a name nor a module", "write it as layer4[-1].conv2"
    )


def _no_layer(model: nn.Module, text: str) -> LayerError:
    paths = [path for path, _ in model.named_modules() if path]
    fix = f"{did_you_mean(text, paths)}; `camlucida layers` lists all"
    return LayerError(f"the model has no layer {text!r}", fix)


def _child_at(names: list[str], index: int, path: str, text: str) -> str:
    try:
        return names[index]
    except IndexError:
        raise LayerError(
            f"layer {text!r}: {path or 'the model'} has {len(names)} children"
        ) from None


def resolve(model: nn.Module, layer: str) -> LayerRef | None:
    """The layer that a name means: ``auto``, an alias of the model's family, or a path.

    Args:
        model: a network, or a module around one.
        layer: ``auto``; an alias such as ``encoder_last``; or a path as :func:`parse_path` has it.

    Returns:
        The layer; None for ``auto`` on an unknown family, whose layer is found by running the
        model.

    Raises:
        LayerError: no such module; the message names near matches.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    >>> resolve(net, "auto") is None, str(resolve(net, "[-1]"))
    (True, '1')
    """
    match = find_family(model)
    if match is None:
        return None if layer == "auto" else parse_path(model, layer)
    root, family = match
    network = model.get_submodule(root)
    aliases = family.aliases(network)
    if layer != "auto" and layer not in aliases:
        return _in_network(model, root, layer)
    inner = family.layer(network) if layer == "auto" else aliases[layer]
    ref = parse_path(network, inner)
    path = f"{root}.{ref.path}" if root else ref.path
    return LayerRef(path, ref.index)


def _in_network(model: nn.Module, root: str, text: str) -> LayerRef:
    """The layer at a path from the model, else from the network of known family inside it."""
    try:
        return parse_path(model, text)
    except LayerError:
        refs = _parsed(model.get_submodule(root), text) if root else []
        if not refs:
            raise
        return LayerRef(f"{root}.{refs[0].path}", refs[0].index)


class Layouts:
    """How the outputs of a model's layers lie on a grid, by the model's family.

    Args:
        model: a network, or a module around one.
        input_size: in pixels, an axis each.
    """

    def __init__(self, model: nn.Module, input_size: tuple[int, ...]) -> None:
        self.input_size = input_size
        match: tuple[str, ModelFamily | None] = find_family(model) or ("", None)
        self._root, self._family = match
        self._network = model.get_submodule(self._root)

    @contextmanager
    def following(self) -> Iterator[None]:
        """Inside, the size is that of the images which the known network itself is given.

        A module around it may resize them.
        """
        if not self._root:
            yield
            return
        handle = self._network.register_forward_pre_hook(self._note_size)
        try:
            yield
        finally:
            handle.remove()

    def _note_size(self, network: nn.Module, args: tuple[Any, ...]) -> None:
        given = args[0] if args else None
        if isinstance(given, Tensor) and given.ndim == len(self.input_size) + 2:
            self.input_size = tuple(given.shape[2:])

    def covers(self, path: str) -> bool:
        """Whether a layer belongs to a network of known family.

        The family knows the layers of its own network, not those that a user put around it.

        Args:
            path: of the module.
        """
        inside = not self._root or f"{path}.".startswith(f"{self._root}.")
        return self._family is not None and inside

    def __call__(self, path: str, output: Tensor) -> Layout | None:
        """The layout of an output.

        Args:
            path: of the module.
            output: the tensor that it returned.

        Returns:
            None without a spatial grid of more than one cell, or of a layer that is not its
            family's.
        """
        if self._family is None or not self.covers(path):
            return None
        layout = self._family.layout(self._network, output, self.input_size)
        if layout is None or not output.is_floating_point():
            return None
        grid = layout.to_grid(output).shape[2:]
        return layout if max(grid) > 1 else None
