"""Operations whose backward pass is unusual."""

import torch


class Looking(torch.autograd.Function):
    """Looks at the numbers of its gradient, which several at once do not allow."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2 if bool(gradient.any()) else gradient
