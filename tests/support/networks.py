"""Networks as training scripts write them, and whether a card builds the same."""

import timm
import torch
from torch import nn

from camlucida.models import load_model


class Around(nn.Module):
    """What training scripts write.

    A backbone with its head replaced, or an identity there and a head beside it.
    """

    def __init__(self, backbone, at="fc", head=None, name="", own="backbone"):
        super().__init__()
        self.own, self.name = own, name
        self.add_module(own, backbone)
        setattr(backbone, at, nn.Identity() if name else head)
        if name:
            self.add_module(name, head)

    def forward(self, x):
        x = self._modules[self.own](x)
        return self._modules[self.name](x) if self.name else x


def mlp(n_in, n_out=1):
    return nn.Sequential(
        nn.Dropout(0.5), nn.Linear(n_in, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, n_out)
    )


def normed(n_in):
    return nn.Sequential(
        nn.Linear(n_in, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 1)
    )


def set_head(model, at, head):
    setattr(model, at, head)
    return model


def timm_net(**args):
    return timm.create_model("efficientnet_b0", **args)


def settled(model):
    """A model in eval mode whose batch norms are not those of a fresh network."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()


def codes(recognised):
    return [note.code for note in recognised.notes]


def same_output(model, card):
    loaded = load_model(card, device="cpu")
    x = torch.randn(2, card.input.channels, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded.module(x), model(x))
    return loaded


def children(model, *tail):
    return nn.Sequential(*list(model.children())[:-1], *tail)


class Beside(nn.Module):
    def __init__(self, body, head, pool=False):
        super().__init__()
        self.features, self.pool, self.head = body, pool, head

    def forward(self, x):
        x = self.features(x)
        x = x.mean((2, 3), keepdim=True) if self.pool else x
        return self.head(x.flatten(1))
