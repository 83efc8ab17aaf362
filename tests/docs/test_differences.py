"""Each measured difference from a peer has its reason in the documentation of the method."""

import json
import re

from tests.support.paths import REPOSITORY

ROUNDING = 1e-3
"""Of a map scaled to 0 … 1."""


PEERS = ("grad-cam", "torchcam", "Captum")


def measured_differences():
    return json.loads((REPOSITORY / "benchmarks/differences.json").read_text("utf-8"))


def sections():
    """Of the page of methods: name → text."""
    page = (REPOSITORY / "docs/reference/methods.md").read_text("utf-8")
    return dict(re.findall(r"### `(\w+)`\n(.*?)(?=\n### |\n## |\Z)", page, re.DOTALL))


def elsewhere(method):
    return sections()[method].partition("*Elsewhere:*")[2]


def test_what_differs_from_a_peer_is_explained():
    measured = measured_differences()
    unexplained = []
    for method, peers in measured["differences"].items():
        for peer, places in peers.items():
            rows = places.values()
            differs = any(row["largest"] is None or row["largest"] > ROUNDING for row in rows)
            if differs and peer not in elsewhere(method):
                unexplained.append((method, peer))
    assert unexplained == []
    assert {"gradcam", "scorecam", "fullgrad"} <= set(measured["differences"])


def test_each_difference_that_is_described_is_measured():
    measured = measured_differences()["differences"]
    described = [(m, peer) for m in sections() for peer in PEERS if peer in elsewhere(m)]
    assert len(described) > 20
    assert [pair for pair in described if pair[1] not in measured.get(pair[0], ())] == []
