"""Each measured difference from a peer has its reason in the documentation of the method."""

import json
import re

from tests.support.paths import REPOSITORY

ROUNDING = 1e-3
"""Of a map scaled to 0 … 1."""


def test_what_differs_from_a_peer_is_explained():
    measured = json.loads((REPOSITORY / "benchmarks/differences.json").read_text("utf-8"))
    page = (REPOSITORY / "docs/reference/methods.md").read_text("utf-8")
    sections = dict(re.findall(r"### `(\w+)`\n(.*?)(?=\n### |\n## |\Z)", page, re.DOTALL))
    unexplained = []
    for method, peers in measured["differences"].items():
        for peer, places in peers.items():
            rows = places.values()
            differs = any(row["largest"] is None or row["largest"] > ROUNDING for row in rows)
            _, _, elsewhere = sections[method].partition("*Elsewhere:*")
            if differs and peer not in elsewhere:
                unexplained.append((method, peer))
    assert unexplained == []
    assert {"gradcam", "scorecam", "fullgrad"} <= set(measured["differences"])
