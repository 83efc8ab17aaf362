"""Small networks for films of 128 × 128 pixels: four classifiers, a regressor, a U-Net.

A convolutional classifier is ``features`` (B, 1, 128, 128) → (B, K, 16, 16), mean over the grid,
``fc`` → (B, num_classes) logits. No activation works in place: what a hook captures is what the
module returned. Dilated convolutions widen what a cell of the fine grid sees, to about the whole
film, without making the grid coarse.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Classifier(nn.Module):
    """``features``, global average pooling, ``fc``."""

    def __init__(self, features: nn.Sequential, channels: int, num_classes: int) -> None:
        super().__init__()
        self.features = features
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) in [−1, 1] → (B, num_classes) logits."""
        maps = self.features(x)
        means = torch.flatten(self.pool(maps), 1)
        logits: Tensor = self.fc(means)
        return logits


def conv_norm_relu(
    c_in: int, c_out: int, kernel: int = 3, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, batch norm, ReLU; only the stride changes the grid.

    Args:
        c_in, c_out: channels.
        kernel: side of the kernel, odd.
        stride: step between the cells of the output.
        dilation: distance between the kernel's taps.
        groups: of channels that are convolved apart.

    >>> conv_norm_relu(1, 4, stride=2)(torch.zeros(1, 1, 8, 8)).shape
    torch.Size([1, 4, 4, 4])
    """
    pad = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(
            in_channels=c_in,
            out_channels=c_out,
            kernel_size=kernel,
            stride=stride,
            padding=pad,
            dilation=dilation,
            groups=groups,
            bias=False,
        ),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )


class ResidualBlock(nn.Module):
    """relu(x + two 3 × 3 convolutions); 1 × 1 convolution on the shortcut if the shape changes."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.first = conv_norm_relu(c_in, c_out, 3, stride, dilation)
        self.second = nn.Sequential(
            nn.Conv2d(
                in_channels=c_out,
                out_channels=c_out,
                kernel_size=3,
                padding=dilation,
                dilation=dilation,
                bias=False,
            ),
            nn.BatchNorm2d(c_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(c_in, c_out, 1, stride, bias=False),
                nn.BatchNorm2d(c_out),
            )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) → (B, c_out, H / stride, W / stride)."""
        residual = self.second(self.first(x))
        total = residual + self.shortcut(x)
        out: Tensor = self.relu(total)
        return out


class DenseLayer(nn.Module):
    """Appends ``growth`` new maps to those it was given."""

    def __init__(self, c_in: int, growth: int, dilation: int = 1) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(c_in)
        self.relu1 = nn.ReLU()
        self.squeeze = nn.Conv2d(c_in, 2 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(2 * growth)
        self.relu2 = nn.ReLU()
        self.grow = nn.Conv2d(
            in_channels=2 * growth,
            out_channels=growth,
            kernel_size=3,
            padding=dilation,
            dilation=dilation,
            bias=False,
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) → (B, c_in + growth, H, W)."""
        squeezed = self.squeeze(self.relu1(self.norm1(x)))
        activated = self.relu2(self.norm2(squeezed))
        new = self.grow(activated)
        return torch.cat([x, new], dim=1)


class InvertedResidual(nn.Module):
    """Widen by 1 × 1, convolve each channel, narrow by 1 × 1; add the input if shapes agree."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        expand: int = 4,
        stride: int = 1,
        kernel: int = 3,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        wide = expand * c_in
        self.widen = conv_norm_relu(c_in, wide, 1)
        self.look = conv_norm_relu(wide, wide, kernel, stride, dilation, groups=wide)
        self.narrow = nn.Sequential(
            nn.Conv2d(wide, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.adds = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) → (B, c_out, H / stride, W / stride)."""
        wide = self.look(self.widen(x))
        out: Tensor = self.narrow(wide)
        return x + out if self.adds else out


def small_resnet(num_classes: int = 5) -> Classifier:
    """Residual network, 0.31 M parameters, K = 96."""
    features = nn.Sequential(
        conv_norm_relu(1, 16, 5, stride=2),
        ResidualBlock(16, 32, stride=2),
        ResidualBlock(32, 32),
        ResidualBlock(32, 64, stride=2),
        ResidualBlock(64, 64, dilation=2),
        ResidualBlock(64, 96, dilation=4),
    )
    return Classifier(features, 96, num_classes)


def small_densenet(num_classes: int = 5) -> Classifier:
    """Densely connected network, 0.07 M parameters, K = 136."""
    growth = 12
    first = [DenseLayer(24 + growth * i, growth) for i in range(2)]
    dilations = (1, 1, 2, 2, 4, 4)
    second = [DenseLayer(64 + growth * i, growth, d) for i, d in enumerate(dilations)]
    features = nn.Sequential(
        conv_norm_relu(1, 16, 5, stride=2),
        conv_norm_relu(16, 24, 3, stride=2),
        nn.Sequential(*first),
        conv_norm_relu(24 + 2 * growth, 64, 3, stride=2),
        nn.Sequential(*second),
        nn.BatchNorm2d(64 + 6 * growth),
        nn.ReLU(),
    )
    return Classifier(features, 64 + 6 * growth, num_classes)


def small_mobilenet(num_classes: int = 5) -> Classifier:
    """Depthwise separable network with inverted residuals, 0.08 M parameters, K = 128."""
    features = nn.Sequential(
        conv_norm_relu(1, 16, 5, stride=2),
        conv_norm_relu(16, 24, 3, stride=2),
        InvertedResidual(24, 24, expand=2),
        InvertedResidual(24, 48, expand=3, stride=2),
        InvertedResidual(48, 48, expand=3),
        InvertedResidual(48, 64, expand=3, dilation=2),
        InvertedResidual(64, 64, expand=3, dilation=4),
        conv_norm_relu(64, 128, 1),
    )
    return Classifier(features, 128, num_classes)


class SelfAttention(nn.Module):
    """Multi-head self-attention: each token becomes a weighted mean of all tokens' values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) → (B, N, width)."""
        batch, tokens, width = x.shape
        parts = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return out


class TransformerBlock(nn.Module):
    """Attention, then two linear layers, each behind a layer norm and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) → (B, N, width)."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class VisionTransformer(nn.Module):
    """Convolutions to 16 × 16 tokens, blocks, and a head that reads the class token.

    A transformer that is trained on a few thousand films needs convolutions in place of one
    projection of patches (Xiao et al. 2021, "Early convolutions help transformers see better").
    """

    def __init__(self, num_classes: int, width: int = 64, heads: int = 4, depth: int = 3) -> None:
        super().__init__()
        self.patch_embed = nn.Sequential(
            conv_norm_relu(1, 16, 5, stride=2),
            conv_norm_relu(16, 32, 3, stride=2),
            conv_norm_relu(32, width, 3, stride=2),
        )
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 1 + 16 * 16, width))
        self.blocks = nn.ModuleList([TransformerBlock(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 128, 128) in [−1, 1] → (B, num_classes) logits."""
        patches = self.patch_embed(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), patches], dim=1)
        tokens = tokens + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        logits: Tensor = self.head(self.norm(tokens)[:, 0])
        return logits


class ResidualBackbone(nn.Module):
    """``stem``, ``layer1`` … ``layer4``, mean over the grid: (B, 1, 128, 128) → (B, 64)."""

    channels = 64

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_norm_relu(1, 16, 5, stride=2)
        self.layer1 = ResidualBlock(16, 24, stride=2)
        self.layer2 = ResidualBlock(24, 48, stride=2)
        self.layer3 = ResidualBlock(48, 48, dilation=2)
        self.layer4 = ResidualBlock(48, self.channels, dilation=4)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) in [−1, 1] → (B, 64)."""
        maps = self.stem(x)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            maps = layer(maps)
        return torch.flatten(self.pool(maps), 1)


class Regressor(nn.Module):
    """``backbone``, then ``head``: one linear layer to the values."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.backbone = ResidualBackbone()
        self.head = nn.Linear(ResidualBackbone.channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) in [−1, 1] → (B, num_classes) values in their own unit."""
        values: Tensor = self.head(self.backbone(x))
        return values


class UNetEncoder(nn.Module):
    """Returns the input and one map a stage, of strides 1, 2, 4, 8, 16."""

    def __init__(self, out_channels: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = tuple(out_channels)
        pairs = list(pairwise(self.out_channels))
        self.stages = nn.ModuleList(
            [
                conv_norm_relu(*pairs[0], 5, stride=2),
                *(ResidualBlock(*p, stride=2) for p in pairs[1:]),
            ]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 1, H, W) → a map (B, c, H / 2^i, W / 2^i) for the i-th c; H, W multiples of 16."""
        maps = [x]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps


class UNetDecoder(nn.Module):
    """From the coarsest map up to the input's grid.

    Each step enlarges, appends the encoder's map of that stride, and convolves twice.
    """

    def __init__(self, encoder_channels: Sequence[int], out_channels: Sequence[int]) -> None:
        super().__init__()
        skips = (*encoder_channels[-2:0:-1], 0)
        ins = (encoder_channels[-1], *out_channels[:-1])
        self.blocks = nn.ModuleList(
            nn.Sequential(
                conv_norm_relu(c_in + skip, c_out),
                conv_norm_relu(c_out, c_out),
            )
            for c_in, skip, c_out in zip(ins, skips, out_channels, strict=True)
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        """The encoder's maps → (B, last of ``out_channels``, H, W)."""
        x = maps[-1]
        skips = maps[-2:0:-1]
        for i, block in enumerate(self.blocks):
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            # The last step reaches the input's grid, of which the encoder has no map.
            if i < len(skips):
                x = torch.cat([x, skips[i]], dim=1)
            x = block(x)
        return x


class UNet(nn.Module):
    """``encoder``, ``decoder``, ``segmentation_head``, as in segmentation-models-pytorch."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.encoder = UNetEncoder((1, 16, 24, 40, 56))
        self.decoder = UNetDecoder(self.encoder.out_channels, (40, 24, 12, 8))
        self.segmentation_head = nn.Sequential(
            nn.Conv2d(8, num_classes, 3, padding=1),
            nn.Identity(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) in [−1, 1], H and W multiples of 16 → (B, num_classes, H, W) logits."""
        maps = self.encoder(x)
        decoded = self.decoder(maps)
        logits: Tensor = self.segmentation_head(decoded)
        return logits


def small_vit(num_classes: int = 5) -> VisionTransformer:
    """Vision transformer behind convolutions, 0.14 M parameters; its grid is 16 × 16."""
    return VisionTransformer(num_classes)


def small_regressor(num_classes: int = 1) -> Regressor:
    """Residual network for values, 0.15 M parameters; its grid is 16 × 16."""
    return Regressor(num_classes)


def small_unet(num_classes: int = 1) -> UNet:
    """U-Net, 0.16 M parameters; the grid of its encoder's last map is 8 × 8."""
    return UNet(num_classes)
