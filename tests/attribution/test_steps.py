"""Every method of many forward passes says how far it is."""

import pytest

from camlucida import explain
from camlucida.attribution.batches import scans_of
from camlucida.attribution.explained_model import explained_model
from camlucida.attribution.kept import KeptImage
from camlucida.attribution.methods import METHODS
from tests.support.nets import ATTENTION, Cnn, images, seeded

SLOW = [name for name, method in METHODS.items() if method.kind in ("probe", "input")]
CHANNELS = 20  # more than one batch of altered images


@pytest.fixture(scope="module")
def reports():
    """Of a method, the pairs of done and total that it reported."""
    (scan,) = scans_of((images(1, 3, 16, 16),))
    kept = KeptImage.of(explained_model(seeded(Cnn(channels=CHANNELS))), scan, ["features"])

    def reported(name):
        pairs = []
        kept.explain(0, name, "features", progress=lambda *pair: pairs.append(pair))
        return pairs

    return reported


def test_explain_reports_each_map():
    net, batch = seeded(Cnn(channels=CHANNELS)), images(2, 3, 16, 16)
    pairs = []
    methods = ["gradcam", "rise", "scorecam"]
    explain(net, batch, 0, methods, "features", progress=lambda *pair: pairs.append(pair))
    totals = [total for done, total in pairs if done == total]
    assert totals == [CHANNELS, CHANNELS, 512, 512]  # those at a layer first


# RefineCAM needs several grids, and the network has one.
@pytest.mark.parametrize("name", sorted(set(SLOW) - {*ATTENTION, "refinecam"}))
def test_no_more_is_done_than_was_said(reports, name):
    pairs = reports(name)
    assert all(0 < done <= total for done, total in pairs)
    assert [done for done, _ in pairs] == sorted(done for done, _ in pairs)


@pytest.mark.parametrize(
    ("name", "count"),
    [("scorecam", CHANNELS), ("ablationcam", CHANNELS), ("occlusion", 225), ("rise", 512)],
)
def test_the_total_is_known_from_the_first_report(reports, name, count):
    pairs = reports(name)
    assert {total for _, total in pairs} == {count}
    assert pairs[-1][0] == count
