"""Tokens that depend on the image and are no cells: the map is of the cells wherever they stand."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from camlucida import explain
from camlucida.core.errors import LayerError
from tests.models.test_survey import by_hand
from tests.support import nets

GRADIENT = "hirescam"
Cells = Callable[[Tensor], Tensor]


def by_convolution(width: int) -> nn.Module:
    return nn.Conv2d(3, width, 8, 8)


def hybrid(width: int) -> nn.Module:
    """Patches of a stem whose receptive fields overlap."""
    first, last = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, width, 3, 2, 1)
    return nn.Sequential(first, nn.ReLU(), last, nn.ReLU(), nn.MaxPool2d(2))


class ByLinear(nn.Module):
    """(B, 3, H, W) → (B, K, H / 8, W / 8), without a feature map that a hook sees."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(3 * 64, width)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (size // 8 for size in x.shape[2:])
        blocks = x.unflatten(3, (columns, 8)).unflatten(2, (rows, 8)).permute(0, 2, 4, 1, 3, 5)
        tokens = self.project(blocks.flatten(3).flatten(1, 2))
        return tokens.mT.unflatten(2, (rows, columns))


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        x = x + self.attention(normed, normed, normed)[0]
        return x + self.mlp(self.norm2(x)).tanh()


def block(width: int, post: bool) -> nn.Module:
    return nn.TransformerEncoderLayer(width, 2, 24, batch_first=True) if post else Block(width)


class Scene(nn.Module):
    """A transformer with tokens that are computed from the image, and learned ones, beside cells.

    Args:
        before, behind: numbers of tokens computed from the image.
        first, last: numbers of learned tokens, further out.
        patches: makes the feature map (B, K, rows, columns).
        pool: whether the tokens of the image are pooled from the cells, or made by layers beside.
        order: of the cells.
        post: whether blocks are PyTorch's, whose norm comes after the attention.
    """

    def __init__(
        self,
        before: int = 0,
        behind: int = 0,
        first: int = 0,
        last: int = 0,
        patches: Callable[[int], nn.Module] = by_convolution,
        pool: bool = True,
        order: Cells = lambda cells: cells.flatten(2).mT,
        post: bool = False,
    ) -> None:
        super().__init__()
        width = 16
        self.patches, self.order, self.pool = patches(width), order, pool
        self.start, self.before = first + before, before
        self.scene = nn.Sequential(nn.Conv2d(3, 6, 7, 4, 3), nn.ReLU())
        self.number = (before + behind) * width
        self.make = nn.Linear(width if pool else 6, max(self.number, 1))
        self.learned = nn.Parameter(torch.randn(1, max(first + last, 1), width))
        self.first, self.others = first, first + last
        self.blocks = nn.Sequential(*(block(width, post) for _ in range(2)))
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        cells = self.order(self.patches(x))
        pooled = cells.mean(1) if self.pool else self.scene(x).mean((2, 3))
        made = self.make(pooled)[:, : self.number].unflatten(1, (self.number // 16, 16))
        learned = self.learned[:, : self.others].expand(len(x), -1, -1)
        parts = [learned[:, : self.first], made[:, : self.before], cells]
        parts += [made[:, self.before :], learned[:, self.first :]]
        return self.head(self.blocks(torch.cat(parts, 1)).mean(1))


KINDS = {
    "one behind": {"behind": 1},
    "two behind": {"behind": 2},
    "one before": {"before": 1},
    "four registers behind": {"behind": 4},
    "four registers before": {"before": 4},
    "one before and one behind": {"before": 1, "behind": 1},
    "a learned one before, one behind": {"first": 1, "behind": 1},
    "a learned one behind, two before": {"last": 1, "before": 2},
    "by layers beside": {"behind": 1, "pool": False},
    "of a hybrid": {"behind": 1, "patches": hybrid},
    "registers of a hybrid": {"behind": 3, "patches": hybrid, "pool": False},
    "patches by a linear layer": {"behind": 1, "patches": ByLinear},
    "norm after the attention": {"behind": 1, "post": True},
}


@pytest.mark.parametrize("size", [(32, 48), (40, 40), (56, 56)])
@pytest.mark.parametrize("name", KINDS)
def test_the_map_is_of_the_cells(name: str, size: tuple[int, int]) -> None:
    net, x = nets.seeded(Scene(**KINDS[name])).eval(), nets.images(1, 3, *size)
    rows, columns = (pixels // 8 for pixels in size)
    (e,) = explain(net, x, 1, GRADIENT, "blocks.0")
    product = by_hand(net, x, "blocks.0")[0].sum(-1)
    cells = product[net.start : net.start + rows * columns]
    torch.testing.assert_close(e.raw, cells.reshape(rows, columns))


def test_cells_column_by_column_before_a_token_of_the_image() -> None:
    net = nets.seeded(Scene(behind=1, order=lambda cells: cells.mT.flatten(2).mT)).eval()
    x = nets.images(1, 3, 32, 48)
    (e,) = explain(net, x, 1, GRADIENT, "blocks.0")
    product = by_hand(net, x, "blocks.0")[0].sum(-1)
    torch.testing.assert_close(e.raw, product[:24].reshape(6, 4).T)


class SequenceFirst(Scene):
    """Tokens before the batch."""

    def __init__(self) -> None:
        super().__init__(behind=1)
        self.blocks = nn.Sequential(*(nn.TransformerEncoderLayer(16, 2, 24) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        cells = self.order(self.patches(x))
        made = self.make(cells.mean(1))[:, None]
        return self.head(self.blocks(torch.cat([cells, made], 1).transpose(0, 1)).mean(0))


class Columns(Scene):
    """Channels before the tokens."""

    def __init__(self) -> None:
        super().__init__(behind=1)
        self.mix = nn.Conv1d(16, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        cells = self.order(self.patches(x)).mT
        mixed = self.mix(torch.cat([cells, cells.mean(2, keepdim=True)], 2)).tanh()
        return self.head(mixed.mean(2))


class Volume(Scene):
    """Cells of a volume."""

    def __init__(self) -> None:
        super().__init__(before=1, behind=1, patches=lambda width: nn.Conv3d(3, width, 4, 4))


def test_tokens_before_the_batch() -> None:
    net, x = nets.seeded(SequenceFirst()).eval(), nets.images(1, 3, 32, 48)
    (e,) = explain(net, x, 1, GRADIENT, "blocks.0")
    product = by_hand(net, x, "blocks.0")[:, 0].sum(-1)
    torch.testing.assert_close(e.raw, product[:24].reshape(4, 6))


def test_channels_before_the_tokens() -> None:
    net, x = nets.seeded(Columns()).eval(), nets.images(1, 3, 32, 48)
    (e,) = explain(net, x, 1, GRADIENT, "mix")
    product = by_hand(net, x, "mix")[0].sum(0)
    torch.testing.assert_close(e.raw, product[:24].reshape(4, 6))


def test_cells_of_a_volume() -> None:
    net, x = nets.seeded(Volume()).eval(), nets.images(1, 3, 12, 16, 20)
    (e,) = explain(net, x, 1, GRADIENT, "blocks.0")
    product = by_hand(net, x, "blocks.0")[0].sum(-1)
    torch.testing.assert_close(e.raw, product[1:61].reshape(3, 4, 5))


class Branches(nn.Module):
    """As many tokens in two branches: the global one stands before the cells, or behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.others = nn.Conv2d(3, 16, 8, 8), nn.Conv2d(3, 16, 8, 8)
        self.first, self.last, self.head = Block(16), Block(16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        first, last = (layer(x).flatten(2).mT for layer in (self.patches, self.others))
        first = self.first(torch.cat([first.mean(1, keepdim=True), first], 1))
        last = self.last(torch.cat([last, last.mean(1, keepdim=True)], 1))
        return self.head(first.mean(1) + last.mean(1))


@pytest.mark.parametrize(("layer", "start"), [("first", 1), ("last", 0)])
def test_each_branch_has_its_own_place(layer: str, start: int) -> None:
    net, x = nets.seeded(Branches()).eval(), nets.images(1, 3, 32, 48)
    (e,) = explain(net, x, 1, GRADIENT, layer)
    product = by_hand(net, x, layer)[0].sum(-1)
    torch.testing.assert_close(e.raw, product[start : start + 24].reshape(4, 6))


def to_and_fro(numbers: Tensor) -> Tensor:
    return torch.stack([row.flip(0) if i % 2 else row for i, row in enumerate(numbers)])


def every_second(numbers: Tensor) -> Tensor:
    return torch.cat([numbers[::2], numbers[1::2]])


ORDERS = {
    "to and fro": to_and_fro,
    "to and fro by columns": lambda numbers: to_and_fro(numbers.T),
    "even rows, then odd ones": every_second,
    "moved by a cell": lambda numbers: numbers.roll((1, 1), (0, 1)),
    "backwards": lambda numbers: numbers.flatten().flip(0),
}


@pytest.mark.parametrize("learned", [0, 1])
@pytest.mark.parametrize("size", [(64, 96), (56, 56), (112, 112)])
@pytest.mark.parametrize("name", ORDERS)
def test_an_order_that_leaves_some_cells_at_their_place_is_refused(name, size, learned) -> None:
    rows, columns = (pixels // 8 for pixels in size)
    order = ORDERS[name](torch.arange(rows * columns).reshape(rows, columns)).flatten()
    net = Scene(first=learned, order=lambda cells: cells.flatten(2).mT[:, order], post=True)
    net, x = nets.seeded(net).eval(), nets.images(1, 3, *size)
    with pytest.raises(LayerError, match="neither in rows nor in columns"):
        explain(net, x, 1, layer="blocks.0")
    (e,) = explain(net, x, 1)
    assert e.layer == "patches"


@pytest.mark.parametrize("learned", [0, 1])
@pytest.mark.parametrize("hidden", [slice(0, 24), slice(40, 64), slice(0, 64)])
def test_a_part_that_a_model_masks_shows_no_other_order(hidden: slice, learned: int) -> None:
    class Masked(Scene):
        def forward(self, x: Tensor) -> Tensor:
            mask = torch.ones(1, 1, 64, 64)
            mask[:, :, hidden] = 0
            return super().forward(x * mask)

    net = nets.seeded(Masked(first=learned, post=True)).eval()
    x = nets.images(1, 3, 64, 64)
    (e,) = explain(net, x, 1, GRADIENT, "blocks.0")
    product = by_hand(net, x, "blocks.0")[0].sum(-1)[learned:]
    torch.testing.assert_close(e.raw, product.reshape(8, 8))


@pytest.mark.parametrize("finest_first", [True, False])
def test_cells_of_another_level_are_no_global_tokens(finest_first: bool) -> None:
    """A map of the finer level alone would be a part of the evidence."""

    class Levels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fine, self.coarse = nn.Conv2d(3, 16, 16, 16), nn.Conv2d(16, 16, 2, 2)
            self.block, self.head = Block(16), nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            fine = self.fine(x)
            levels = [level.flatten(2).mT for level in (fine, self.coarse(fine))]
            tokens = torch.cat(levels if finest_first else levels[::-1], 1)
            return self.head(self.block(tokens).mean(1))

    net, x = nets.seeded(Levels()).eval(), nets.images(1, 3, 64, 96)
    with pytest.raises(LayerError, match="neither in rows nor in columns"):
        explain(net, x, 1, layer="block")


def test_a_batch_and_single_images_have_the_same_maps() -> None:
    net, x = nets.seeded(Scene(behind=1)).eval(), nets.images(3, 3, 32, 48)
    together = explain(net, x, 1, GRADIENT, "blocks.0")
    for one, e in zip(x, together):
        (alone,) = explain(net, one[None], 1, GRADIENT, "blocks.0")
        torch.testing.assert_close(alone.raw, e.raw)


def test_a_token_of_the_image_between_the_cells_is_refused() -> None:
    def around(cells: Tensor) -> Tensor:
        rows = cells.flatten(2).mT
        return torch.cat([rows[:, :12], rows.mean(1, keepdim=True), rows[:, 12:]], 1)

    net, x = nets.seeded(Scene(order=around)).eval(), nets.images(1, 3, 32, 48)
    with pytest.raises(LayerError, match="neither in rows nor in columns"):
        explain(net, x, 1, layer="blocks.0")


class Masked(nn.Module):
    """Leaves out three quarters of the cells at random, also in evaluation mode, as ViT-MAE does.

    What is left are as many tokens as a merged grid has.
    """

    __module__ = "transformers.models.masked"  # of a library, whose tokens are trusted otherwise

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.place = nn.Conv2d(3, 8, 8, 8), nn.Parameter(torch.ones(1, 16, 8))
        self.block, self.head = Block(8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).mT + self.place
        left = torch.rand(tokens.shape[:2]).argsort(1)[:, :4, None]
        tokens = tokens.gather(1, left.expand(-1, -1, 8))
        return self.head(self.block(tokens).mean(1))


def test_tokens_that_are_masked_at_random_are_no_grid() -> None:
    net, images = nets.seeded(Masked()).eval(), nets.images(1, 3, 32, 32)
    (found,) = explain(net, images, 1, GRADIENT)
    assert found.layer == "patches"
    assert {note.code for note in found.scan.warnings} == {"layer.stem", "passes.random"}
    with pytest.raises(LayerError):
        explain(net, images, 1, GRADIENT, "block")
