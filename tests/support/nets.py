"""Tiny networks for the engine's tests, each with one trait that has broken such tools before."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlucida.attribution.capture import capture, run_output
from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.probe import Probe
from camlucida.models.state import frozen

Pair = namedtuple("Pair", ["logits", "features"])


ATTENTION = ("attention_rollout", "gradient_rollout", "legrad")
"""Methods that only a transformer has."""
UNFIT_FOR_CNN = (*ATTENTION, "refinecam")
"""Methods that do not fit ``Cnn``: it has no attention, and one grid."""


def seeded(net: nn.Module, seed: int = 0, scale: float = 0.4) -> nn.Module:
    """``net`` in eval mode with normal random weights, the same on every run."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return net.eval()


def images(*shape: int, seed: int = 0) -> Tensor:
    """Normal random input of this shape, the same on every run."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@contextmanager
def probing(
    net: nn.Module, inputs: Tensor, layer: str, label: int = 1, image: int = 0
) -> Iterator[Probe]:
    """The probe that ``explain`` would hand to a method.

    It is for one image of a batch and the (mean) logit of one label.
    """
    with frozen(net):
        with torch.no_grad():
            forward = capture(net, (inputs,), [layer], record=True)
        reference = forward.logits[image : image + 1].detach()

        def run(*altered: Tensor) -> Tensor:
            return run_output(net, altered).logits

        def score(logits: Tensor) -> Tensor:
            return logits[:, label].reshape(len(logits), -1).mean(1)

        def captured(*altered: Tensor) -> tuple[Tensor, Tensor]:
            again = capture(net, altered, [layer])
            return again.layers[0].activations, again.logits

        layer_of = forward.layers[0]
        one = inputs[image : image + 1]
        pixels = partial(InputProbe, one, run, [score], reference, 8, net)
        yield Probe(net, (inputs,), layer_of, image, run, [score], reference, 8, captured, pixels)


class Cnn(nn.Module):
    """stem → features (signed) → ReLU in place → GAP → head, in 1, 2 or 3 dimensions.

    ``calls`` counts forward passes.
    """

    def __init__(
        self, labels: int = 4, rank: int = 2, channels: int = 6, final: nn.Module | None = None
    ) -> None:
        super().__init__()
        conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[rank - 1]
        self.stem = nn.Sequential(conv(3, 5, 3, padding=1, stride=2), nn.ReLU())
        self.features = conv(5, channels, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(channels, labels)
        self.final = final or nn.Identity()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.final(self.head(self.act(self.features(self.stem(x))).flatten(2).mean(-1)))


class Head(nn.Module):
    """The input is the activations of ``features``; score = head · tanh(mean of each channel)."""

    def __init__(self, channels: int = 4, labels: int = 3) -> None:
        super().__init__()
        self.features = nn.Identity()
        self.head = nn.Linear(channels, labels)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(2).mean(-1).tanh())


class Wrapped(nn.Module):
    """``wrap(logits)`` as the model's answer."""

    def __init__(self, net: nn.Module, wrap) -> None:
        super().__init__()
        self.net = net
        self.wrap = wrap

    def forward(self, *inputs: Tensor):
        return self.wrap(self.net(*inputs))


class TwoInputs(nn.Module):
    """An image and a row of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 6, 3, padding=1)
        self.table = nn.Linear(2, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, image: Tensor, table: Tensor) -> Tensor:
        return self.head(
            self.features(image).relu().mean((2, 3)) * self.table(table.to(image.dtype))
        )


class Glue(nn.Module):
    """Functional glue of every kind between the modules.

    In-place sums, cat, pooling, ``view(x.size(0), -1)``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.left = nn.Conv2d(4, 4, 3, padding=1)
        self.right = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Conv2d(8, 6, 3, padding=1)
        self.head = nn.Linear(6 * 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        left = self.left(x)
        left += x
        x = torch.cat([left, self.right(left)], 1)
        x = F.adaptive_avg_pool2d(F.relu(self.last(x), inplace=True), 2)
        return self.head(x.view(x.size(0), -1))


class SharedRelu(nn.Module):
    """One ReLU module for everything, also after the flattening."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.a = nn.Conv2d(3, 4, 3, padding=1)
        self.b = nn.Conv2d(4, 5, 3, padding=1)
        self.fc = nn.Linear(5, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.a(x))
        x = self.relu(self.b(x))
        return self.head(self.relu(self.fc(x.mean((2, 3)))))


class Recurrent(nn.Module):
    """One block run three times: its inner layers run in every round."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for _ in range(3):
            x = self.block(x)
        return self.head(x.mean((2, 3)))


class UNet(nn.Module):
    """Two levels, a skip by concatenation; the encoder returns a list."""

    def __init__(self, channels: int = 1, final: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder = Pyramid()
        self.up = nn.Conv2d(6 + 4, 4, 3, padding=1)
        self.out = nn.Conv2d(4, channels, 1)
        self.final = final or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        fine, coarse = self.encoder(x)
        coarse = F.interpolate(coarse, scale_factor=2)
        return self.final(self.out(self.up(torch.cat([fine, coarse], 1)).relu()))


class Pyramid(nn.Module):
    """Feature maps of two sizes as a list."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, 4, 3, padding=1)
        self.coarse = nn.Conv2d(4, 6, 3, padding=1, stride=2)

    def forward(self, x: Tensor) -> list[Tensor]:
        fine = self.fine(x).relu()
        return [fine, self.coarse(fine).relu()]


class ListNet(nn.Module):
    """A head over the last of the encoder's list."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Pyramid()
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x)[-1].mean((2, 3)))


class ChannelsLast(nn.Module):
    """Feature maps (B, *grid, K) behind a patch embedding, then tokens.

    The attention of the tokens is no picture of the image.
    """

    def __init__(self, heads: int = 2) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 6, 2, stride=2)
        self.mix = nn.Linear(6, 6)
        self.keys = nn.Identity()
        self.attention = nn.Softmax(-1)
        self.head = nn.Linear(6, 3)
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.mix(self.patch(x).movedim(1, -1)).tanh().flatten(1, 2)
        keys = self.keys(tokens.unflatten(2, (self.heads, -1)).transpose(1, 2))
        return self.head(self.attention(keys @ keys.mT).mean(1) @ tokens).mean(1)


class Siamese(nn.Module):
    """Two images through one part, then each through its own."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Conv2d(3, 4, 3, padding=1)
        self.first = nn.Conv2d(4, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(8, 3)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        both = [self.first(self.shared(a).relu()), self.second(self.shared(b).relu())]
        return self.head(torch.cat(both, 1).relu().mean((2, 3)))


class FrozenBackbone(nn.Module):
    """The part with the grid runs under ``no_grad``, as in linear probing."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.backbone(x)
        return self.head(x.mean((2, 3)))


class Noisy(nn.Module):
    """Adds noise that no seed fixes from run to run: nothing about it can be replayed."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Cnn()
        self.drawn = torch.Generator().manual_seed(0)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) + torch.rand((), generator=self.drawn)


class BatchCentred(nn.Module):
    """Its answer for one image depends on the others in the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x).relu()
        return self.head((x / (1 + x.shape[0])).mean((2, 3)))


class Fails(nn.Module):
    """Raises from its ``after``-th forward on."""

    def __init__(self, after: int = 0) -> None:
        super().__init__()
        self.net = Cnn()
        self.head = self.net.head
        self.left = after

    def forward(self, x: Tensor) -> Tensor:
        features = self.net(x)
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("broken on purpose")
        return features
