"""Gradient checkpointing is a plain call while a model is looked into, and itself afterwards."""

import threading

import pytest
import torch
from torch import nn
from torch.utils import checkpoint as torch_checkpoint
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from camlucida import explain
from camlucida.models.recomputation import plain_checkpoints
from tests.support import nets

KINDS = ["gradcam", "layercam", "ablationcam", "scorecam"]


class Checkpointed(nn.Module):
    """Two convolutions and a head; what runs the convolutions can be chosen."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.stem = nn.Conv2d(3, 4, 3)
        self.body = nn.Sequential(nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Conv2d(5, 6, 3), nn.ReLU())
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = self.stem(x)
        if self.form == "plain":
            x = self.body(x)
        elif self.form == "sequential":
            x = checkpoint_sequential(self.body, 2, x, use_reentrant=True)
        else:
            x = checkpoint(self.body, x, use_reentrant=self.form == "reentrant")
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize("form", ["reentrant", "non-reentrant", "sequential"])
@pytest.mark.parametrize("layer", ["auto", "stem", "body[0]", "body[1]"])
def test_a_checkpointed_part_is_explained_as_if_it_were_not(form, layer):
    images = nets.images(2, 3, 10, 10)
    plain, checkpointed = (nets.seeded(Checkpointed(name)) for name in ("plain", form))
    expected = explain(plain, images, [0, 2], KINDS, layer)
    for one, other in zip(explain(checkpointed, images, [0, 2], KINDS, layer), expected):
        torch.testing.assert_close(one.raw, other.raw)


def test_what_was_replaced_is_put_back():
    names = [name for name in dir(torch_checkpoint) if "checkpoint" in name.casefold()]
    before = [getattr(torch_checkpoint, name) for name in names]
    with pytest.raises(KeyError), plain_checkpoints(), plain_checkpoints():
        raise KeyError
    assert [getattr(torch_checkpoint, name) for name in names] == before
    assert "apply" not in vars(torch_checkpoint.CheckpointFunction)


def _backward_name(x):
    return type(checkpoint(torch.sin, x, use_reentrant=True).grad_fn).__name__


def test_other_threads_keep_checkpointing():
    x, seen = torch.ones(1, requires_grad=True), []
    with plain_checkpoints():
        thread = threading.Thread(target=lambda: seen.append(_backward_name(x)))
        thread.start()
        thread.join()
        here = _backward_name(x)
    assert seen == ["CheckpointFunctionBackward"]
    assert here == "SinBackward0"
    assert _backward_name(x) == "CheckpointFunctionBackward"
