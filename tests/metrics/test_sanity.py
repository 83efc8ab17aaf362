"""Randomised weights: what is random when, what is restored, and what passes."""

import numpy as np
import pytest
import torch
from torch import nn

from camlucida.core.errors import ModelError, UsageError
from camlucida.metrics import METRICS
from camlucida.metrics.agreement import different_image_null
from camlucida.metrics.sanity import (
    blocks,
    cascading_randomisation,
    independent_randomisation,
    redraw,
    restored,
)

X = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Defined in another order than it runs."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.last = nn.Conv2d(8, 8, 3, padding=1)
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.unused = nn.Linear(2, 2)
        self.scale = nn.Parameter(torch.ones(8, 1, 1))

    def features(self, x):
        return self.last(self.norm(self.first(x)).relu() * self.scale).relu()

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


def trained(seed=0):
    """Not trained, but with statistics that a fresh network does not have."""
    generator = torch.Generator().manual_seed(seed)
    net = Net().eval()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.5)
        net.norm.running_mean.copy_(torch.randn(8, generator=generator))
        net.norm.running_var.copy_(torch.rand(8, generator=generator) + 0.5)
        net.norm.num_batches_tracked.fill_(77)
    return net


def cam(net):
    with torch.no_grad():
        return list(torch.einsum("k,bkhw->bhw", net.head.weight[1], net.features(X)))


def edges(net):
    return list((X[:, 0, 1:] - X[:, 0, :-1]).abs())


def state(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


# ---- blocks --------------------------------------------------------------------------------------
# ---------------------------


def test_blocks_follow_the_forward_pass_from_the_logits_down():
    assert [block.modules for block in blocks(trained(), X)] == [
        ("head",),
        ("last",),
        ("norm",),
        ("first",),
        ("unused",),
        ("",),
    ]


def test_many_modules_are_grouped_evenly():
    net = nn.Sequential(*(nn.Linear(4, 4) for _ in range(21)))
    parts = blocks(net, torch.zeros(1, 4), 6)
    assert [len(part.modules) for part in parts] == [1, 4, 4, 4, 4, 4]
    assert [name for part in parts for name in part.modules] == [
        str(i) for i in reversed(range(21))
    ]
    assert parts[1].name == "19 … 16"


def test_a_module_called_twice_counts_where_it_is_nearest_the_logits():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(4, 4) for _ in range(3))

        def forward(self, x):
            return self.a(self.b(self.c(self.a(x))))

    assert [part.name for part in blocks(Twice(), torch.zeros(1, 4))] == ["a", "b", "c"]


def test_a_projection_that_is_never_called_goes_with_its_attention():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2)
            self.embed, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            x = self.embed(x)
            return self.head(self.attention(x, x, x)[0])

    names = [name for part in blocks(Attending(), torch.zeros(3, 1, 4)) for name in part.modules]
    assert names == ["head", "attention.out_proj", "attention", "embed"]


def test_finding_blocks_leaves_no_trace():
    net = trained().train()
    before = state(net)
    blocks(net, X)
    assert same(before, net.state_dict())
    assert net.training
    assert not any(module._forward_pre_hooks for module in net.modules())
    with pytest.raises(RuntimeError):
        blocks(net, torch.zeros(1, 5, 4, 4))
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_no_blocks():
    with pytest.raises(ModelError):
        blocks(nn.ReLU(), X)
    with pytest.raises(UsageError):
        blocks(trained(), X, 1)


# ---- randomisation -------------------------------------------------------------------------------
# ---------------------------


@pytest.mark.parametrize("randomise", [cascading_randomisation, independent_randomisation])
def test_what_is_random_when_and_all_is_restored(randomise):
    net = trained()
    before, seen = state(net), []
    rng = torch.get_rng_state()

    def explain(model):
        seen.append(
            {
                name.rpartition(".")[0]
                for name, value in model.state_dict().items()
                if not torch.equal(value, before[name])
            }
        )
        return cam(model)

    results = randomise(net, X, explain)
    order = ["head", "last", "norm", "first", "unused", ""]
    assert [result.block.name for result in results] == [*order[:-1], "(the model itself)"]
    expected = [
        set(order[: i + 1]) if randomise is cascading_randomisation else {name}
        for i, name in enumerate(order)
    ]
    assert seen == [set(), *expected]
    assert same(before, net.state_dict())
    assert torch.equal(rng, torch.get_rng_state())
    assert all(result.similarity.shape == (4,) == result.dead.shape for result in results)


def test_weights_are_restored_after_an_exception():
    net = trained()
    before, calls = state(net), []

    def explain(model):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return cam(model)

    with pytest.raises(KeyboardInterrupt):
        cascading_randomisation(net, X, explain)
    assert same(before, net.state_dict())


def test_the_same_seed_gives_the_same_weights_in_either_mode():
    net = trained()
    one, again = (cascading_randomisation(net, X, cam, seed=1) for _ in range(2))
    alone, other = (
        independent_randomisation(net, X, cam, seed=1),
        cascading_randomisation(net, X, cam, seed=2),
    )
    assert all(
        np.array_equal(a.similarity, b.similarity, equal_nan=True) for a, b in zip(one, again)
    )
    assert torch.equal(one[0].maps[0], alone[0].maps[0])
    assert not torch.equal(one[0].maps[0], other[0].maps[0])


def test_running_statistics():
    for statistics, mean, batches in (("reset", 0.0, 0), ("keep", None, 77)):
        net = trained()
        kept = net.norm.running_mean.clone()
        with restored(net):
            redraw(net.norm, "s", statistics)
            assert torch.equal(net.norm.weight, torch.ones(8))
            assert torch.equal(net.norm.running_mean, kept if mean is None else torch.zeros(8))
            assert net.norm.num_batches_tracked == batches
        assert torch.equal(net.norm.running_mean, kept)
        assert net.norm.num_batches_tracked == 77


def test_the_scale_of_new_weights():
    conv, back, linear = nn.Conv2d(64, 32, 3), nn.ConvTranspose2d(64, 32, 3), nn.Linear(500, 40)
    for module, fan_in in ((conv, 576), (back, 576), (linear, 500)):
        redraw(module, "0")
        assert float(module.weight.detach().std()) == pytest.approx((2 / fan_in) ** 0.5, rel=0.03)
        assert not module.bias.any()
    attention = nn.MultiheadAttention(64, 2)
    redraw(attention, "0")
    assert float(attention.in_proj_weight.detach().std()) == pytest.approx(
        (2 / 64) ** 0.5, rel=0.03
    )


def test_restored_keeps_odd_values():
    net = trained()
    with torch.no_grad():
        net.head.weight[0, 0], net.head.weight[0, 1] = float("nan"), -0.0
    bits = net.head.weight.detach().clone().view(torch.int32)
    with restored(net):
        redraw(net.head, "0")
    assert torch.equal(bits, net.head.weight.detach().view(torch.int32))
    with torch.inference_mode():
        frozen = nn.Linear(2, 2)
    with pytest.raises(ModelError), restored(frozen):
        pass


def test_an_edge_filter_fails_and_a_class_activation_map_changes():
    net = trained()
    assert all((result.similarity == 1).all() for result in cascading_randomisation(net, X, edges))
    after = cascading_randomisation(net, X, cam)[-1]
    assert np.abs(after.similarity).max() < 0.9


def test_dead_maps_are_counted_apart():
    def explain(model):
        return [torch.zeros(3, 3), *cam(model)[1:]]

    result = cascading_randomisation(trained(), X, explain)[0]
    assert result.dead.tolist() == [True, False, False, False]
    assert np.isnan(result.similarity).tolist() == [True, False, False, False]
    lengths = iter((4, 3))
    with pytest.raises(UsageError):
        cascading_randomisation(trained(), X, lambda model: cam(model)[: next(lengths)])


def test_the_null_pairs_different_images_of_different_patients():
    maps = [torch.randn(5, 5, generator=torch.Generator().manual_seed(i)) for i in range(20)]
    null = different_image_null(maps, seed=3)
    assert null.shape == (50,)
    assert np.array_equal(null, different_image_null(maps, seed=3))
    assert null.max() < 0.95
    assert abs(null.mean()) < 0.1
    pairs = []
    kept = [torch.full((2,), float(i)) for i in range(6)]
    different_image_null(
        kept,
        patients=list("aabbcc"),
        similarity=lambda a, b: pairs.append({int(a[0]), int(b[0])}) or 0.0,
    )
    assert len(pairs) == 12
    assert not any(pair in pairs for pair in ({0, 1}, {2, 3}, {4, 5}))
    for few, patients in ((maps[:1], None), (maps[:2], ["p", "p"]), (maps[:2], ["p"])):
        with pytest.raises(UsageError):
            different_image_null(few, patients=patients)


def test_registered():
    for name in ("cascading_randomisation", "independent_randomisation", "randomisation_gate"):
        assert METRICS[name].family == "sanity"
