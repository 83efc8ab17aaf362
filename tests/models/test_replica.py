"""A copy of a model for another thread: its own modules, the same weights."""

import threading
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from camlucida.models.replica import replica


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))


def test_a_replica_computes_the_same_from_the_same_memory():
    model = network().eval()
    model.tied = model[0].weight
    twin = replica(model)
    x = torch.rand(3, 1, 4, 4)
    assert torch.equal(twin(x), model(x))
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert ours.data_ptr() == theirs.data_ptr()
    for ours, theirs in zip(model.buffers(), twin.buffers(), strict=True):
        assert ours.data_ptr() != theirs.data_ptr()  # forward may write there
    assert twin.tied is twin[0].weight
    assert not any(part is other for part, other in zip(model.modules(), twin.modules()))


def test_a_replica_has_hooks_and_gradients_of_its_own():
    model = network().eval()
    twin = replica(model)
    calls = []
    twin[0].register_forward_hook(lambda *_: calls.append("twin"))
    model(torch.rand(1, 1, 4, 4))
    assert not calls
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(parameter.requires_grad for parameter in twin.parameters())


def test_a_network_that_normalises_by_its_batch_has_no_replica():
    by_batch = nn.BatchNorm2d(2, track_running_stats=False)
    assert replica(nn.Sequential(nn.Conv2d(1, 2, 3), by_batch).eval()) is None
    assert replica(network().train()) is None


def test_what_could_lead_back_to_the_model_has_no_replica():
    hooked, patched, uncopied = network(), network(), network()
    hooked[0].register_forward_hook(lambda *_: None)
    patched[0].forward = patched[0].forward
    uncopied.lock = threading.Lock()
    assert [replica(model) for model in (hooked, patched, uncopied)] == [None] * 3


REMEMBERED: list[Tensor] = []


class OfClass(nn.Linear):
    last: Any = None

    def forward(self, x: Tensor) -> Tensor:
        OfClass.last = x
        return super().forward(OfClass.last)


class OfType(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        self.__class__.last = x
        return super().forward(x)


class OfFile(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        remember(x)
        return super().forward(REMEMBERED.pop())


def remember(x: Tensor) -> None:
    REMEMBERED.append(x)


class WithTable(nn.Linear):
    table: dict[str, Tensor] = {}  # noqa: RUF012  the mistake that is tested


class OfTable(WithTable):
    def forward(self, x: Tensor) -> Tensor:
        self.table["x"] = x
        return super().forward(self.table["x"])


class Itself:
    def __deepcopy__(self, memo: object) -> "Itself":
        return self


class Plain(nn.Linear):
    sizes = (2, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x.shape, self.sizes
        return super().forward(x)


@pytest.mark.parametrize("kind", [OfClass, OfType, OfFile, OfTable])
def test_state_outside_of_the_modules_would_be_of_both(kind):
    assert replica(kind(2, 2)) is None
    assert replica(Plain(2, 2)) is not None


def test_what_both_copies_would_hold_leads_to_no_replica():
    closure, kept = Plain(2, 2), Plain(2, 2)
    closure.head = lambda x: closure(x)
    kept.parts = {"store": (Itself(),)}
    assert [replica(model) for model in (closure, kept)] == [None, None]
