"""The numbers of a result; its pictures have their own tests."""

import numpy as np
import pytest
import torch

from camlucida import Explanation, Geometry, Scan
from camlucida.core.messages import Message

GEOMETRY = Geometry.identity((12, 20)).crop((2, 4), (8, 8)).resize((4, 4))


def explanation(raw, relu=False, geometry=GEOMETRY, **more) -> Explanation:
    raw = torch.tensor(raw) if not isinstance(raw, torch.Tensor) else raw
    scan = Scan(
        torch.zeros(1, *geometry.model), np.zeros(geometry.original, np.uint8), geometry, "film"
    )
    return Explanation(raw, 1.5, 0.8, "Effusion", "gradcam", "layer4", relu, scan, **more)


SIGNED = [[-2.0, 0.0], [1.0, 4.0]]


def test_raw_is_never_touched():
    e = explanation(SIGNED, relu=True)
    e.map(), e.scaled(), e.on_original(), e.numpy()
    assert e.raw.tolist() == SIGNED
    assert e.grid == (2, 2)


def test_relu_is_a_separate_step_before_the_enlargement():
    assert explanation(SIGNED, relu=True).map((2, 2)).tolist() == [[0, 0], [1, 4]]
    assert explanation(SIGNED, relu=False).map((2, 2)).tolist() == SIGNED
    assert explanation([[-1.0, 1.0]], relu=True).map((1, 4)).tolist() == [[0, 0.25, 0.75, 1]]


def test_map_has_the_models_size_unless_told():
    assert explanation(SIGNED).map().shape == (4, 4)
    assert explanation(SIGNED).map((5, 3)).shape == (5, 3)


def test_on_original_lies_where_the_model_looked():
    values = explanation(torch.ones(2, 2)).on_original()
    assert values.shape == (12, 20)
    assert (values[2:10, 4:12] == 1).all()
    assert values.sum() == 64
    assert explanation(SIGNED).numpy().dtype == np.float32


@pytest.mark.parametrize(("relu", "limit", "signed"), [(True, 4.0, False), (False, 4.0, True)])
def test_limit_and_sign(relu, limit, signed):
    e = explanation(SIGNED, relu)
    assert e.limit == limit
    assert e.signed is signed


def test_scaled_keeps_zero_where_it_is():
    scaled = explanation([[-8.0, 0.0], [2.0, 4.0]]).scaled((2, 2))
    assert scaled.tolist() == [[-1, 0], [0.25, 0.5]]
    assert explanation([[-8.0, 0.0], [2.0, 4.0]], relu=True).scaled((2, 2)).tolist() == [
        [0, 0],
        [0.5, 1],
    ]


def test_scaled_by_a_shared_limit_compares_maps_and_never_leaves_the_range():
    assert explanation(SIGNED).scaled((2, 2), limit=8.0).tolist() == [[-0.25, 0], [0.125, 0.5]]
    assert explanation(SIGNED).scaled((2, 2), limit=1.0).tolist() == [[-1, 0], [1, 1]]


def test_an_even_map_is_not_stretched_to_nothing():
    assert (explanation(torch.full((2, 2), 3.0)).scaled() == 1).all()


def test_no_evidence_stays_zero():
    e = explanation(torch.zeros(2, 2), empty_reason=Message("empty.zero"))
    assert e.is_empty
    assert not e.scaled().any()
    assert "no evidence: the map is zero everywhere" in repr(e)


def test_repr_is_one_line():
    assert (
        repr(explanation(SIGNED))
        == "Explanation(film: Effusion, score=1.5, probability=0.800, gradcam at layer4 2×2)"
    )
    assert not explanation(SIGNED).is_empty


@pytest.mark.parametrize("size", [(6,), (4, 6), (4, 6, 2)])
def test_any_rank(size):
    e = explanation(torch.ones([n // 2 for n in size]), geometry=Geometry.identity(size))
    assert e.map().shape == e.on_original().shape == size
