"""Image–text similarity: the map of a text is that of its own gradient, and a null lies beside."""

import pytest
import torch
from torch import nn

from camlucida import explain
from camlucida.attribution.similarity import Similarity
from camlucida.core.errors import TargetError
from tests.support import nets


def tower():
    torch.manual_seed(0)
    pool, flat = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.Tanh(), pool, flat, nn.Linear(6, 5)).eval()


def similarity_map(net, images, vector):
    """HiResCAM of the cosine by hand."""
    cells = net[1](net[0](images)).detach().requires_grad_()
    embedding = net[4](cells.mean((2, 3)))
    cosine = embedding @ vector / (embedding.norm(dim=1) * vector.norm())
    (gradient,) = torch.autograd.grad(cosine.sum(), cells)
    return (cells * gradient).sum(1).detach()


def test_the_map_of_a_text():
    net, images = tower(), nets.images(2, 3, 16, 24)
    texts = torch.randn(2, 5, generator=torch.Generator().manual_seed(1))
    targets = [Similarity("a nodule", texts[0]), Similarity("blorptz", texts[1])]
    found = explain(net, images, targets, "hirescam", "1", task="regression")
    assert [e.target for e in found] == ["a nodule", "blorptz"] * 2
    for i, text in enumerate(texts):
        expected = similarity_map(net, images, text)
        for e, raw in zip(found[i::2], expected, strict=True):
            torch.testing.assert_close(e.raw, raw, rtol=1e-4, atol=1e-6)
            assert e.provenance["score_kind"] == "value"


def test_a_vector_of_another_length():
    for vector in (torch.ones(1), torch.ones(4), torch.ones(2, 5)):
        target = Similarity("a nodule", vector)
        with pytest.raises(TargetError, match="'a nodule' is a vector of shape"):
            explain(tower(), nets.images(1, 3, 16, 16), target, layer="1", task="regression")


def test_the_image_tower_of_open_clip():
    model = pytest.importorskip("open_clip.model", reason="open_clip, an optional package")
    torch.manual_seed(0)
    image = model.CLIPVisionCfg(layers=2, width=32, head_width=16, patch_size=16, image_size=64)
    text = model.CLIPTextCfg(context_length=8, vocab_size=50, width=16, heads=2, layers=1)
    clip = model.CLIP(embed_dim=16, vision_cfg=image, text_cfg=text).eval()
    images, words = nets.images(2, 3, 64, 64), torch.randint(0, 50, (2, 8))
    with torch.no_grad():
        texts = clip.encode_text(words)
        expected = torch.cosine_similarity(clip.encode_image(images), texts[:1])
    both = [Similarity("a nodule", texts[0]), Similarity("blorptz", texts[1])]
    found = explain(clip.visual, images, both, "hirescam", task="regression")
    scores = torch.tensor([e.score for e in found[::2]])
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-5)
    assert {(e.layer, e.grid) for e in found} == {("transformer.resblocks.1.ln_1", (4, 4))}
    assert not torch.allclose(found[0].raw, found[1].raw)
