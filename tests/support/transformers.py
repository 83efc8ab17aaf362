"""Small transformers of the kinds that people bring: none of a class that camlucida knows."""

from collections import OrderedDict
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """With separate projections, as in Hugging Face; the weights pass softmax and dropout."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.softmax, self.dropout = nn.Softmax(-1), nn.Dropout(0.1)
        self.proj = nn.Linear(width, width)
        self.heads = heads

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        parts = (part(x) for part in (self.query, self.key, self.value))
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        weights = self.dropout(self.softmax(q @ k.mT / q.shape[-1] ** 0.5))
        return self.proj((weights @ v).transpose(1, 2).flatten(2)), weights


class Block(nn.Module):
    """Pre-norm; returns a tuple, with the attention behind the tokens where it is wanted."""

    def __init__(self, width: int, with_attention: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.with_attention = with_attention

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        attended, weights = self.attention(self.norm1(x))
        x = x + attended
        x = x + self.mlp(self.norm2(x))
        return (x, weights) if self.with_attention else (x,)


class ModelOutput(OrderedDict):
    """A dictionary with attributes, made from fields that are not None, as in Hugging Face."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                super().__setitem__(field.name, value)


@dataclass
class EncoderOutput(ModelOutput):
    last_hidden_state: Tensor | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass
class ClassifierOutput:
    """A plain dataclass."""

    loss: Tensor | None
    logits: Tensor


class Encoder(nn.Module):
    """Tokens → an output with fields."""

    def __init__(self, width: int, depth: int, with_attention: bool) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Block(width, with_attention) for _ in range(depth))

    def forward(self, x: Tensor) -> EncoderOutput:
        for layer in self.layer:
            x, *_ = layer(x)
        return EncoderOutput(last_hidden_state=x)


class Positions(nn.Module):
    """A table of positions, of the shape of the tokens, which no image changes."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(count, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.table(torch.arange(x.shape[1])).expand(len(x), -1, -1)


class Vit(nn.Module):
    """A vision transformer for images of ``size`` pixels.

    Args:
        size: of the image.
        patch: height and width of a patch.
        prefix: class and register tokens before the cells.
        suffix: further tokens behind them.
        pool: "class", the first token; or "mean", of the cells.
        linear: patches are cut by hand and projected by a linear layer.
        sequence_first: tokens run as (N, B, K), as in the first CLIP.
    """

    def __init__(
        self,
        size: tuple[int, int] = (32, 48),
        patch: int = 8,
        prefix: int = 1,
        suffix: int = 0,
        pool: str = "class",
        linear: bool = False,
        sequence_first: bool = False,
        with_attention: bool = False,
        width: int = 12,
        depth: int = 2,
    ) -> None:
        super().__init__()
        self.grid = (size[0] // patch, size[1] // patch)
        self.patch, self.prefix, self.suffix = patch, prefix, suffix
        self.pool, self.linear, self.sequence_first = pool, linear, sequence_first
        if linear:
            self.projection: nn.Module = nn.Linear(3 * patch * patch, width)
        else:
            self.projection = nn.Conv2d(3, width, patch, stride=patch)
        count = prefix + self.grid[0] * self.grid[1] + suffix
        self.extra = nn.Parameter(torch.randn(1, prefix + suffix, width))
        self.positions = Positions(count, width)
        self.encoder = Encoder(width, depth, with_attention)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 3)

    def embed(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, cells, K)."""
        if not self.linear:
            return self.projection(x).flatten(2).transpose(1, 2)
        patches = x.unfold(2, self.patch, self.patch).unfold(3, self.patch, self.patch)
        return self.projection(patches.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2))

    def forward(self, x: Tensor) -> ClassifierOutput:
        cells = self.embed(x)
        extra = self.extra.expand(len(cells), -1, -1)
        tokens = torch.cat([extra[:, : self.prefix], cells, extra[:, self.prefix :]], 1)
        tokens = tokens + self.positions(tokens)
        tokens = self.encoder(tokens)["last_hidden_state"]
        if self.pool == "class":
            return ClassifierOutput(None, self.head(self.norm(tokens[:, 0])))
        end = tokens.shape[1] - self.suffix
        return ClassifierOutput(None, self.head(self.norm(tokens)[:, self.prefix : end].mean(1)))


class SequenceFirst(nn.Module):
    """Tokens as (N, B, K), as in the first CLIP: torch's own attention does so by default."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 8, stride=8)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.ln_1, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, 2)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        cells = self.conv1(x).flatten(2).permute(2, 0, 1)
        tokens = torch.cat([self.token.expand(-1, len(x), -1), cells])
        normal = self.ln_1(tokens)
        tokens = tokens + self.attn(normal, normal, normal, need_weights=False)[0]
        return self.head(self.ln_post(tokens[0]))


class Windowed(nn.Module):
    """Attention in windows of 2 × 2 cells, then tokens merged two by two, as in Swin."""

    def __init__(self, width: int = 8, size: tuple[int, int] = (32, 48)) -> None:
        super().__init__()
        self.grid = (size[0] // 4, size[1] // 4)
        self.patch = nn.Conv2d(3, width, 4, stride=4)
        self.block = WindowBlock(width, self.grid)
        self.merge = nn.Linear(4 * width, 2 * width)
        half = (self.grid[0] // 2, self.grid[1] // 2)
        self.last = WindowBlock(2 * width, half)
        self.norm, self.head = nn.LayerNorm(2 * width), nn.Linear(2 * width, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.block(self.patch(x).flatten(2).transpose(1, 2))
        cells = tokens.unflatten(1, self.grid)
        quarters = [cells[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        tokens = self.merge(torch.cat(quarters, -1).flatten(1, 2))
        return self.head(self.norm(self.last(tokens)).mean(1))


class WindowBlock(nn.Module):
    """Tokens (B, N, K) → the same, by attention in windows."""

    def __init__(self, width: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.norm, self.attention, self.grid = nn.LayerNorm(width), Attention(width), grid

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = self.grid
        cells = self.norm(x).unflatten(1, (rows // 2, 2, columns // 2, 2))
        windows = cells.transpose(2, 3).flatten(0, 2).flatten(1, 2)
        attended = self.attention(windows)[0]
        back = attended.reshape(len(x), rows // 2, columns // 2, 2, 2, -1).transpose(2, 3)
        return x + back.flatten(1, 4)


class Hidden(nn.Module):
    """Patches are shuffled into tokens so that no layer shows their grid."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.mix = nn.Linear(4 * 64, width)
        self.blocks = nn.Sequential(*(Mixer(width) for _ in range(3)))
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        cells = self.stem(x).unfold(2, 8, 6).unfold(3, 8, 6)
        return self.head(
            self.blocks(self.mix(cells.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2))).mean(1)
        )


class Mixer(nn.Module):
    """Tokens → tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.mlp = nn.LayerNorm(width), nn.Sequential(nn.Linear(width, width), nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mlp(self.norm(x))
