"""A copy of a model for another thread: its own modules, the same weights."""

import threading

import torch
from torch import nn

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
    for ours, theirs in zip(model.state_dict().values(), twin.state_dict().values(), strict=True):
        assert ours.data_ptr() == theirs.data_ptr()
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


def test_what_could_lead_back_to_the_model_has_no_replica():
    hooked, patched, uncopied = network(), network(), network()
    hooked[0].register_forward_hook(lambda *_: None)
    patched[0].forward = patched[0].forward
    uncopied.lock = threading.Lock()
    assert [replica(model) for model in (hooked, patched, uncopied)] == [None] * 3
