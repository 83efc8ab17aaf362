"""Whether a method exceeds what ignores the model is said in one sentence, from its interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from camlucida.core.messages import english
from camlucida.evaluation.maps.summary import differences, summarise
from camlucida.report.evaluations import Evaluation
from camlucida.report.findings import findings
from camlucida.report.locale import load_texts


def evaluation(scores, patients=20, metric="hit", noise=0.05):
    """``scores``: method or baseline → mean; each patient with its own noise."""
    generator = np.random.default_rng(0)
    lines = []
    for patient in range(patients):
        for method, value in scores.items():
            lines.append(
                {
                    "image": f"i{patient}",
                    "patient": f"p{patient}",
                    "label": "nodule",
                    "method": method,
                    "layer": "last",
                    "metric": metric,
                    "output": "",
                    "baseline": method not in ("gradcam", "eigencam"),
                    "value": value + noise * generator.normal(),
                    "chance": 0.1,
                    "ceiling": 1.0,
                    "empty": False,
                    "synthetic": False,
                }
            )
    rows = pd.DataFrame(lines)
    return Evaluation("net", "0", summarise(rows), None, differences(rows))


@pytest.mark.parametrize(
    ("scores", "code", "baseline"),
    [
        ({"gradcam": 0.8, "sobel": 0.3, "random": 0.1}, "better", "sobel"),
        ({"gradcam": 0.5, "sobel": 0.5, "average_mask": 0.1}, "not_shown_better", "sobel"),
        ({"gradcam": 0.2, "sobel": 0.1, "average_mask": 0.6}, "worse", "average_mask"),
        # The oracle knows the annotation: no method has to exceed it.
        ({"gradcam": 0.8, "oracle": 1.0, "random": 0.1}, "better", "random"),
    ],
)
def test_the_best_blind_baseline_decides(scores, code, baseline):
    (message,) = findings(evaluation(scores))
    assert message.code == f"findings.{code}"
    assert message.values["baseline"].code == f"findings.{baseline}"
    difference = scores["gradcam"] - scores[baseline]
    assert message.values["difference"].estimate == pytest.approx(difference, abs=0.05)


def test_the_sign_is_that_of_the_better_method_whatever_the_direction():
    lower = evaluation({"gradcam": 0.1, "sobel": 0.6}, metric="road_morf")
    (message,) = findings(lower)
    assert message.code == "findings.better"
    assert message.values["difference"].low > 0


def test_few_patients_decide_nothing():
    (message,) = findings(evaluation({"gradcam": 0.9, "sobel": 0.1}, patients=4))
    assert message.code == "findings.undecided"
    assert "fewer than 10 patients" in english(message)


def test_without_a_blind_baseline_nothing_is_said():
    assert list(findings(evaluation({"gradcam": 0.9, "oracle": 1.0}))) == []
    assert list(findings(Evaluation("net", "0", pd.DataFrame(), None))) == []


def test_it_is_said_in_both_languages():
    scores = {"gradcam": 0.5, "sobel": 0.5, "average_mask": 0.1}
    (message,) = findings(evaluation(scores))
    assert (
        "is not shown to be better than an edge filter by Pointing game here (difference"
        in english(message)
    )
    assert "边缘滤波器" in load_texts("zh").render(message)
