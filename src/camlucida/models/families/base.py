"""Model families: which layer to explain, names for others, how tensors lie on a grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from camlucida.core.registry import Registry


@dataclass(frozen=True)
class Layout:
    """How a layer's output lies on a grid.

    Attributes:
        to_grid: output → (B, K, *grid).
        from_grid: (grid activations, original output) → a tensor laid out as the original, for
            replays.
    """

    to_grid: Callable[[Tensor], Tensor]
    from_grid: Callable[[Tensor, Tensor], Tensor]


CHANNELS_FIRST = Layout(lambda x: x, lambda grid, _: grid)
CHANNELS_LAST = Layout(lambda x: x.movedim(-1, 1), lambda grid, _: grid.movedim(1, -1))

FOLDED = Layout(lambda x: x.flatten(1, 2), lambda grid, x: grid.unflatten(1, x.shape[1:3]))
"""Of (B, K, G, *grid), where G is no axis of the image: each K of each G is a channel."""


def one_stride(grid: Sequence[int], size: Sequence[int]) -> bool:
    """Whether cells of one shape would fill the image with this grid.

    A cell an axis is granted to rounding; convolutions without padding may have taken cells from
    each axis, the same number from all.

    Args:
        grid: cells an axis.
        size: of the input in pixels, an axis each.

    >>> one_stride((7, 7), (224, 224)), one_stride((7, 49), (224, 224))
    (True, False)
    """

    def fits(lost: int) -> bool:
        # Rounding may have moved each axis by a cell: the strides that it allows must overlap.
        fewest, most = [], []
        for cells, pixels in zip(grid, size):
            whole = cells + lost
            fewest.append((whole - 1) / pixels)
            most.append((whole + 1) / pixels)
        return max(fewest) < min(most)

    most_lost = min(grid) // 2
    return any(map(fits, range(most_lost + 1)))


def is_merged(cells: Sequence[int], grids: Iterable[Sequence[int]]) -> bool:
    """Whether merging two by two makes a grid of another one; not necessarily on every axis.

    Networks of videos merge rows and columns, and leave the frames as they are.

    Args:
        cells: of the grid, an axis each.
        grids: that are known.

    >>> is_merged((4, 8, 12), [(4, 16, 24)]), is_merged((2, 16, 24), [(4, 32, 24)])
    (True, True)
    >>> is_merged((4, 8, 12), [(4, 32, 24)]), is_merged((8, 12), [(4, 16, 24)])
    (False, False)
    """

    def from_grid(known: Sequence[int]) -> bool:
        pairs = zip(known, cells)
        return all(new in (old, old // 2, -(-old // 2)) for old, new in pairs)

    return any(len(known) == len(cells) and from_grid(known) for known in grids)


def image_layout(output: Tensor, input_size: Sequence[int]) -> Layout | None:
    """The layout of a tensor of unknown origin.

    Args:
        output: (B, K, *grid) or (B, *grid, K).
        input_size: in pixels, an axis each.

    Returns:
        The one whose grid is of one stride; None if neither is.

    >>> image_layout(torch.zeros(1, 7, 7, 512), (224, 224)) is CHANNELS_LAST
    True
    """
    if output.ndim != len(input_size) + 2:
        return None
    if one_stride(output.shape[2:], input_size):
        return CHANNELS_FIRST
    if one_stride(output.shape[1:-1], input_size):
        return CHANNELS_LAST
    return None


def tokens(
    prefix: int, grid: tuple[int, ...], batch_axis: int = 0, channels_last: bool = True
) -> Layout:
    """The layout of a transformer's tokens, cells in row-major order.

    Tokens behind the cells are left out, as those before them are.

    Args:
        prefix: number of class and register tokens before the cells.
        grid: cells an axis.
        batch_axis: 0 for (B, prefix + cells, K), 1 for (prefix + cells, B, K).
        channels_last: False for (B, K, prefix + cells).

    >>> tokens(1, (14, 14)).to_grid(torch.zeros(2, 197, 768)).shape
    torch.Size([2, 768, 14, 14])
    >>> tokens(1, (2, 3), batch_axis=1).to_grid(torch.zeros(7, 2, 8)).shape
    torch.Size([2, 8, 2, 3])
    """
    end = prefix + math.prod(grid)

    def rows(x: Tensor) -> Tensor:
        # (B, N, K), whatever the order of the original.
        return x.movedim(batch_axis, 0) if channels_last else x.transpose(1, 2)

    def to_grid(x: Tensor) -> Tensor:
        cells = rows(x)[:, prefix:end].transpose(1, 2)
        return cells.reshape(*cells.shape[:2], *grid)

    def from_grid(cells: Tensor, original: Tensor) -> Tensor:
        others = rows(original)
        first = others[:, :prefix].expand(len(cells), -1, -1)
        last = others[:, end:].expand(len(cells), -1, -1)
        whole = torch.cat([first, cells.flatten(2).transpose(1, 2), last], 1)
        return whole.movedim(0, batch_axis) if channels_last else whole.transpose(1, 2)

    return Layout(to_grid, from_grid)


def around(layout: Layout, start: int, count: int, axis: int = 1) -> Layout:
    """The layout of cells with other tokens between them, such as a class token in the middle.

    Args:
        layout: of the cells alone.
        start: number of cells before the other tokens.
        count: of the other tokens.
        axis: of the tokens.

    >>> row = torch.tensor([1.0, 2.0, 9.0, 3.0, 4.0]).reshape(1, 5, 1)
    >>> around(tokens(0, (2, 2)), 2, 1).to_grid(row)[0, 0]
    tensor([[1., 2.],
            [3., 4.]])
    """

    def cells_of(x: Tensor) -> Tensor:
        behind = start + count
        parts = [x.narrow(axis, 0, start), x.narrow(axis, behind, x.shape[axis] - behind)]
        return torch.cat(parts, axis)

    def to_grid(x: Tensor) -> Tensor:
        return layout.to_grid(cells_of(x))

    def from_grid(cells: Tensor, original: Tensor) -> Tensor:
        whole = layout.from_grid(cells, cells_of(original))
        size = list(whole.shape)
        size[axis] = count
        others = original.narrow(axis, start, count).expand(size)
        before, after = whole.split([start, whole.shape[axis] - start], axis)
        return torch.cat([before, others, after], axis)

    return Layout(to_grid, from_grid)


Layouts = Callable[[nn.Module, Tensor, tuple[int, ...]], Layout | None]


def channels_first_only(
    model: nn.Module, output: Tensor, input_size: tuple[int, ...]
) -> Layout | None:
    """The layout of convolutional networks.

    Args:
        model: not used; layouts of other families need it.
        output: (B, K, *grid).
        input_size: in pixels, an axis each.

    Returns:
        None where the output has another number of spatial axes than the input.

    >>> channels_first_only(nn.Identity(), torch.zeros(1, 8), (224, 224)) is None
    True
    """
    return CHANNELS_FIRST if output.ndim == len(input_size) + 2 else None


@dataclass(frozen=True)
class ModelFamily:
    """A family of architectures.

    Attributes:
        name: for people.
        matches: whether a module is the root of such a network (also when it is a user's backbone).
        layer: path of the layer ``auto`` takes, relative to that root.
        aliases: short names → paths, relative to that root.
        layout: (root, layer output, input size) → Layout, or None where the output has no spatial
            grid.
    """

    name: str
    matches: Callable[[nn.Module], bool]
    layer: Callable[[nn.Module], str]
    aliases: Callable[[nn.Module], Mapping[str, str]] = field(default=lambda model: {})
    layout: Layouts = channels_first_only


FAMILIES: Registry[ModelFamily] = Registry("model family")


def has(module: nn.Module, *paths: str) -> bool:
    """Whether all these dotted paths are submodules.

    Args:
        module: that the paths start from.
        paths: at least one.

    >>> has(nn.Sequential(nn.ReLU()), "0"), has(nn.Sequential(nn.ReLU()), "0.conv")
    (True, False)
    """

    def child(path: str) -> bool:
        inner: nn.Module | None = module
        for name in path.split("."):
            if inner is None:
                return False
            inner = dict(inner.named_children()).get(name)
        return inner is not None

    return all(child(path) for path in paths)


def class_is(module: nn.Module, package: str, *names: str) -> bool:
    """Whether the module's class, or a base of it, is one of ``names`` below ``package``.

    Nothing is imported.

    Args:
        module: any.
        package: the first part of the class's module.
        names: of classes.

    >>> class_is(nn.ReLU(), "torch", "Module"), class_is(nn.ReLU(), "timm", "Module")
    (True, False)
    """
    for cls in type(module).__mro__:
        top, _, _ = cls.__module__.partition(".")
        if top == package and cls.__name__ in names:
            return True
    return False
