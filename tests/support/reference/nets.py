"""Small networks for the reference and parity tests.

Seconds on one core, with what a trap needs and nothing else.
"""

import torch
from torch import Tensor, nn


class ConvNet(nn.Module):
    """conv → relu → pool → conv (`features`, signed) → relu → conv → tanh → linear.

    So g differs from cell to cell.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.features = nn.Conv2d(6, 5, 3, padding=1)
        self.act = nn.ReLU(inplace=inplace)
        self.neck = nn.Sequential(nn.Conv2d(5, 4, 3, stride=2, padding=1), nn.Tanh())
        self.head = nn.Linear(80, 4)  # 4 channels × 4×5 cells of a 16×20 input

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.neck(self.act(self.features(self.stem(inputs)))).flatten(1))


class MeanNet(nn.Module):
    """A fixed layer, then global average pooling and a linear head without bias.

    Every map has a closed form.
    """

    def __init__(self, features: nn.Module, head: Tensor) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(head.shape[1], head.shape[0], bias=False).to(head.dtype)
        self.head.weight.data.copy_(head)

    def forward(self, inputs: Tensor) -> Tensor:
        maps = self.features(inputs)
        return self.head(maps.flatten(2).mean(-1))


def conv_net(
    seed: int = 0, inplace: bool = False, dtype: torch.dtype = torch.float32
) -> tuple[ConvNet, Tensor]:
    """An untrained `ConvNet` in eval mode, and a batch of two 3×16×20 inputs."""
    generator = torch.Generator().manual_seed(seed)
    net = ConvNet(inplace)
    inputs = torch.randn(2, 3, 16, 20, generator=generator)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return net.to(dtype).eval(), inputs.to(dtype)
