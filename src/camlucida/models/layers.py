"""Which layer: ``auto``, a family's alias, a dotted path with indices, or a list of these.

And what fires, in order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.core.errors import LayerError, did_you_mean
from camlucida.models.families import Layout, ModelFamily, find_family, image_layout
from camlucida.models.state import forwarding, frozen, main_tensor, unwrap

_Shape = tuple[int, ...]

_STEP = re.compile(r"\[(-?\d+)\]|([^.\[\]]+)")


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


@dataclass(frozen=True)
class LayerInfo:
    """One line of ``camlucida layers``.

    Attributes:
        path: dotted path (with the output's index where a module returns several).
        type: class name.
        shape: of the output, batch first.
        grid: its spatial axes; () when it has none.
        stride: input pixels per cell, an axis each; () without a grid.
        calls: how often the module ran; the last call is the one explained.
        auto: True for the layer ``auto`` takes.
    """

    path: str
    type: str
    shape: tuple[int, ...]
    grid: tuple[int, ...]
    stride: tuple[float, ...]
    calls: int
    auto: bool


def parse_path(model: nn.Module, text: str) -> LayerRef:
    """A dotted path with indices, ``layer4[-1].conv2`` or ``encoder[5]``, as a :class:`LayerRef`.

    Args:
        model: that the path starts from.
        text: names of submodules, separated by dots; [i] picks a child of a container, counted from
            0, or from the end where negative. At the end of the path, behind a module that is no
            container, it picks one of the module's outputs.

    Returns:
        The layer, by its first name in ``named_modules()``.

    Raises:
        LayerError: no such module; the message names near matches.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.Flatten()))
    >>> str(parse_path(net, "1[-1]")), str(parse_path(net, "0[2]"))
    ('1.1', '0[2]')
    """
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
            parent = parse_path(model, path)
            return LayerRef(parent.path, int(index))
        else:
            raise _no_layer(model, text)
        module = children[key]
        path = f"{path}.{key}" if path else key
    # A module that sits in the model under two names is known by the first of them.
    names = (name for name, other in model.named_modules() if other is module)
    return LayerRef(next(names))


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
        return parse_path(model, layer)
    inner = family.layer(network) if layer == "auto" else aliases[layer]
    ref = parse_path(network, inner)
    path = f"{root}.{ref.path}" if root else ref.path
    return LayerRef(path, ref.index)


class Layouts:
    """How the outputs of a model's layers lie on a grid, by its family where that is known.

    Args:
        model: a network, or a module around one.
        input_size: in pixels, an axis each.
    """

    def __init__(self, model: nn.Module, input_size: tuple[int, ...]) -> None:
        self.input_size = input_size
        match: tuple[str, ModelFamily | None] = find_family(model) or ("", None)
        self._root, self._family = match
        self._network = model.get_submodule(self._root)

    def __call__(self, path: str, output: Tensor) -> Layout | None:
        """The layout of an output.

        Args:
            path: of the module.
            output: the tensor that it returned.

        Returns:
            None without a spatial grid of more than one cell.
        """
        # The family knows the layers of its own network, not those that a user put around it.
        inside = not self._root or f"{path}.".startswith(f"{self._root}.")
        if self._family is not None and inside:
            layout = self._family.layout(self._network, output, self.input_size)
        else:
            layout = image_layout(output, self.input_size)
        if layout is None or not output.is_floating_point():
            return None
        grid = layout.to_grid(output).shape[2:]
        return layout if max(grid) > 1 else None


def single(output: Any) -> Tensor | None:
    """The tensor of a module that returns one.

    Args:
        output: of the module.

    Returns:
        None for a module that returns several, which need an index.

    >>> single([torch.ones(1)]), single((torch.ones(1), torch.ones(1)))
    (tensor([1.]), None)
    """
    if isinstance(output, (list, tuple)) and len(output) > 1:
        return None
    return main_tensor(output)


def list_layers(model: nn.Module, *inputs: Tensor) -> list[LayerInfo]:
    """Run the model once and list the layers that fire, in order of completion.

    Args:
        model: any module.
        inputs: what it is called with; the first is the image batch (B, C, *spatial).

    Returns:
        One :class:`LayerInfo` a module (the model itself left out), and one a feature map for
        modules that return a list of them.

    Raises:
        ModelError: the model cannot run on these inputs.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 2, stride=2), nn.Flatten(), nn.Linear(8, 3))
    >>> [(info.path, info.grid, info.stride) for info in list_layers(net, torch.zeros(1, 1, 4, 4))]
    [('0', (2, 2), (2.0, 2.0)), ('1', (), ()), ('2', (), ())]
    """
    model = unwrap(model)
    images = inputs[0]
    size = tuple(images.shape[2:])
    firing = _Firing(Layouts(model, size))
    handles = []
    for path, module in model.named_modules():
        if path:
            handles.append(module.register_forward_hook(firing.hook(path)))
    try:
        with frozen(model), torch.no_grad(), forwarding(inputs):
            output = main_tensor(model(*inputs))
    finally:
        for handle in handles:
            handle.remove()
    auto = _auto_path(model, firing, images, output)
    return [firing.info(path, size, path == auto) for path in firing.tensors]


class _Firing:
    """The layers of a model that fired, by path, in order of completion.

    Attributes:
        tensors: the output; of a module that returns a list of feature maps, one entry each.
        types: class name of the module.
        calls: how often it ran.
    """

    def __init__(self, layouts: Layouts) -> None:
        self.layouts = layouts
        self.tensors: dict[str, Tensor | None] = {}
        self.types: dict[str, str] = {}
        self.calls: dict[str, int] = {}

    def hook(self, path: str) -> Callable[[nn.Module, Any, Any], None]:
        """What notes the outputs of the module at ``path``."""
        return lambda module, _, output: self._note(path, type(module).__name__, output)

    def _note(self, path: str, kind: str, output: Any) -> None:
        calls = self.calls.get(path, 0) + 1
        self.calls[path] = calls
        if not isinstance(output, (list, tuple)) or len(output) < 2:
            self._note_single(path, kind, main_tensor(output))
            return
        for i, item in enumerate(output):
            if isinstance(item, Tensor) and self.layouts(path, item) is not None:
                indexed = f"{path}[{i}]"
                self._keep(indexed, kind, item)
                self.calls[indexed] = calls

    def _note_single(self, path: str, kind: str, tensor: Tensor | None) -> None:
        # The last call is the one explained; of a module that is used with and without a grid, the
        # last with one.
        earlier = self.tensors.get(path)
        if not self._shape(path, earlier) or self._shape(path, tensor):
            self._keep(path, kind, tensor)

    def _keep(self, path: str, kind: str, tensor: Tensor | None) -> None:
        self.tensors.pop(path, None)  # to the end of the order
        self.tensors[path] = tensor
        self.types[path] = kind

    def _shape(self, path: str, tensor: Tensor | None) -> _Shape:
        """(K, *grid) of a layer's output; () without a grid."""
        if tensor is None:
            return ()
        module_path, _, _ = path.partition("[")
        layout = self.layouts(module_path, tensor)
        if layout is None:
            return ()
        return tuple(layout.to_grid(tensor).shape[1:])

    def shapes(self) -> dict[str, _Shape]:
        """Path → (K, *grid); () without a grid."""
        return {path: self._shape(path, tensor) for path, tensor in self.tensors.items()}

    def info(self, path: str, size: _Shape, auto: bool) -> LayerInfo:
        """The line of one layer; ``size`` of the input in pixels."""
        tensor = self.tensors[path]
        grid = self._shape(path, tensor)[1:]
        stride = tuple(round(n / cells, 2) for n, cells in zip(size, grid))
        shape = () if tensor is None else tuple(tensor.shape)
        return LayerInfo(path, self.types[path], shape, grid, stride, self.calls[path], auto)


def _auto_path(
    model: nn.Module, firing: _Firing, images: Tensor, output: Tensor | None
) -> str | None:
    """The layer of ``auto``: the family's if it fired with a grid, else by :func:`pick_auto`."""
    shapes = firing.shapes()
    ref = resolve(model, "auto")
    if ref is not None:
        path = _as_fired(ref, list(firing.tensors))
        if shapes.get(path):
            return path
    classes = 0
    if output is not None and output.ndim == images.ndim:
        classes = output.shape[1]
    # Layers that see each image whole come first: patches are stacked along the batch.
    whole = {}
    for path, tensor in firing.tensors.items():
        one_an_image = tensor is not None and tensor.shape[:1] == images.shape[:1]
        if one_an_image and "[" not in path:
            whole[path] = shapes[path]
    return pick_auto(whole, classes) or pick_auto(shapes, classes)


def pick_auto(maps: Mapping[str, tuple[int, ...]], classes: int) -> str | None:
    """The rule for unknown families: the last layer of the coarsest grid.

    A finer one after it is a decoder, or no image at all.

    Args:
        maps: path → (K, *grid) in the order they fired; () without a grid.
        classes: channels of a dense output, which a layer of as many is likely to be itself; 0 for
            other outputs.

    Returns:
        The path; None where no layer has a grid.

    >>> pick_auto({"0": (8, 14, 14), "1": (16, 7, 7), "2": ()}, classes=0)
    '1'
    """
    cells = {path: math.prod(shape[1:]) for path, shape in maps.items() if shape}
    fewest = min(cells.values(), default=0)
    coarsest = [path for path, number in cells.items() if number == fewest]
    chosen = [path for path in coarsest if maps[path][0] != classes] or coarsest
    return chosen[-1] if chosen else None


def _as_fired(ref: LayerRef, fired: Sequence[str]) -> str:
    if ref.index is None or ref.index >= 0:
        return str(ref)
    outputs = [path for path in fired if path.startswith(f"{ref.path}[")]
    if len(outputs) < -ref.index:
        return str(ref)
    return outputs[ref.index]
