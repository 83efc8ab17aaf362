"""Which layer: ``auto``, a family's alias, a dotted path with indices, or a list of these.

And what fires, in order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.core.errors import LayerError, did_you_mean
from camlucida.models.families import Layout, ModelFamily, find_family, image_layout
from camlucida.models.state import forwarding, frozen, main_tensor, unwrap

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

    Raises:
        LayerError: no such module; the message names near matches.
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
        children = {key: child for key, child in module._modules.items() if child is not None}
        if name in children:
            key = name
        elif index and isinstance(module, (nn.Sequential, nn.ModuleList)):
            key = _child_at(list(children), int(index), path, text)
        elif index and position == len(steps) - 1 and path:
            return LayerRef(
                parse_path(model, path).path, int(index)
            )  # no container: the index picks one of its outputs
        else:
            known = [p for p, _ in model.named_modules() if p]
            raise LayerError(
                f"the model has no layer {text!r}",
                f"{did_you_mean(text, known)}; `camlucida layers` lists all",
            )
        module, path = children[key], f"{path}.{key}" if path else key
    # A module that sits in the model under two names is known by the first of them.
    return LayerRef(next(name for name, known in model.named_modules() if known is module))


def _child_at(names: list[str], index: int, path: str, text: str) -> str:
    try:
        return names[index]
    except IndexError:
        raise LayerError(
            f"layer {text!r}: {path or 'the model'} has {len(names)} children"
        ) from None


def resolve(model: nn.Module, layer: str) -> LayerRef | None:
    """``auto``, an alias of the model's family, or a path. None.

    ``auto`` on an unknown family, to be found by running it.
    """
    found = find_family(model)
    if found is None:
        return None if layer == "auto" else parse_path(model, layer)
    root, family = found
    network = model.get_submodule(root)
    aliases = family.aliases(network)
    if layer != "auto" and layer not in aliases:
        return parse_path(model, layer)
    ref = parse_path(network, family.layer(network) if layer == "auto" else aliases[layer])
    return LayerRef(f"{root}.{ref.path}" if root else ref.path, ref.index)


class Layouts:
    """How the outputs of this model's layers lie on a grid.

    Asks the family of the part of the model that a layer is in.
    """

    def __init__(self, model: nn.Module, input_size: tuple[int, ...]) -> None:
        self.input_size = input_size
        found = find_family(model)
        self._family: ModelFamily | None = found[1] if found else None
        self._root = found[0] if found else ""
        self._network = model.get_submodule(self._root)

    def __call__(self, path: str, output: Tensor) -> Layout | None:
        """The layout of ``output``, the tensor that the module at ``path`` returned.

        None without a spatial grid.
        """
        inside = not self._root or path == self._root or path.startswith(self._root + ".")
        if self._family is not None and inside:
            layout = self._family.layout(self._network, output, self.input_size)
        else:
            layout = image_layout(output, self.input_size)
        if layout is None or not output.is_floating_point():
            return None
        return layout if max(layout.to_grid(output).shape[2:]) > 1 else None


def single(output: Any) -> Tensor | None:
    """The tensor of a module that returns one.

    None for a module that returns several, which need an index.
    """
    return None if isinstance(output, (list, tuple)) and len(output) > 1 else main_tensor(output)


def list_layers(model: nn.Module, *inputs: Tensor) -> list[LayerInfo]:
    """Run the model once and list what fires, in order of completion.

    Args:
        model: any module.
        inputs: what it is called with; the first is the image batch (B, C, *spatial).

    Returns:
        One :class:`LayerInfo` a module (the model itself left out), and one a feature map for
        modules that return several.
    """
    model = unwrap(model)
    size = tuple(inputs[0].shape[2:])
    layouts = Layouts(model, size)
    fired: dict[str, tuple[nn.Module, Tensor | None]] = {}
    calls: dict[str, int] = {}

    def note(path: str, module: nn.Module, output: Any) -> None:
        calls[path] = calls.get(path, 0) + 1
        several = output if isinstance(output, (list, tuple)) and len(output) > 1 else None
        for i, item in enumerate(several or ()):
            if isinstance(item, torch.Tensor) and layouts(path, item) is not None:
                fired.pop(f"{path}[{i}]", None)
                fired[f"{path}[{i}]"] = (module, item)
                calls[f"{path}[{i}]"] = calls[path]
        if several is None:
            tensor, earlier = main_tensor(output), fired.get(path, (module, None))[1]
            # The last call is the one explained; of a module that is used with and without a grid,
            # the last with one.
            if not _map_shape(layouts, path, earlier) or _map_shape(layouts, path, tensor):
                fired.pop(path, None)
                fired[path] = (module, tensor)

    handles = [
        module.register_forward_hook(lambda m, _, out, path=path: note(path, m, out))
        for path, module in model.named_modules()
        if path
    ]
    try:
        with frozen(model), torch.no_grad(), forwarding(inputs):
            answer = main_tensor(model(*inputs))
    finally:
        for handle in handles:
            handle.remove()
    chosen = resolve(model, "auto")
    maps = {path: _map_shape(layouts, path, tensor) for path, (_, tensor) in fired.items()}
    auto = _as_fired(chosen, fired) if chosen else None
    if auto is None or not maps.get(auto):
        images = len(inputs[0])
        classes = answer.shape[1] if answer is not None and answer.ndim == inputs[0].ndim else 0
        whole = {
            path: maps[path]
            for path, (_, tensor) in fired.items()
            if "[" not in path and tensor is not None and tensor.shape[:1] == (images,)
        }
        auto = pick_auto(whole, classes) or pick_auto(maps, classes)
    return [
        LayerInfo(
            path,
            type(module).__name__,
            tuple(tensor.shape) if tensor is not None else (),
            maps[path][1:],
            tuple(round(n / g, 2) for n, g in zip(size, maps[path][1:])),
            calls[path],
            path == auto,
        )
        for path, (module, tensor) in fired.items()
    ]


def pick_auto(maps: Mapping[str, tuple[int, ...]], classes: int) -> str | None:
    """The rule for unknown families: the last layer of the coarsest grid.

    A finer one after it is a decoder, or no image at all.

    Args:
        maps: path → (K, *grid) in the order they fired; () without a grid.
        classes: channels of a dense output, which a layer of as many is likely to be itself; 0 for
            other outputs.
    """
    cells = {path: torch.Size(shape[1:]).numel() for path, shape in maps.items() if shape}
    coarsest = [path for path in cells if cells[path] == min(cells.values())]
    chosen = [path for path in coarsest if maps[path][0] != classes] or coarsest
    return chosen[-1] if chosen else None


def _map_shape(layouts: Layouts, path: str, tensor: Tensor | None) -> tuple[int, ...]:
    """(K, *grid) of a layer's output; () without a grid."""
    layout = layouts(path.partition("[")[0], tensor) if tensor is not None else None
    return (
        tuple(layout.to_grid(tensor).shape[1:]) if layout is not None and tensor is not None else ()
    )


def _as_fired(ref: LayerRef, fired: dict[str, tuple[nn.Module, Tensor | None]]) -> str:
    if ref.index is None or ref.index >= 0:
        return str(ref)
    outputs = [path for path in fired if path.startswith(f"{ref.path}[")]
    return outputs[ref.index] if len(outputs) >= -ref.index else str(ref)
