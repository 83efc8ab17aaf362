"""SYNTHETIC tables of an evaluation, in the shape of real ones: they describe no method.

They are drawn from a seed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

LABELS = ("effusion", "<b>nodule</b>")
METHODS = {"gradcam": 0.62, "hirescam": 0.7, "eigencam": 0.45}
BASELINES = {"random": 0.15, "center": 0.3, "fake_cam": 0.2, "oracle": 0.95}
"""Name → how good it is made, in [0, 1]."""
LAYER = "features.denseblock4"


def row(image="i", patient="p", label="a", method="m", metric="hit", value=1.0, **more):
    """One row; the rest as in an evaluation without chance level or ceiling."""
    common = {
        "layer": "l",
        "baseline": False,
        "output": "",
        "chance": np.nan,
        "ceiling": np.nan,
        "empty": False,
    }
    shown = {
        "image": image,
        "patient": patient,
        "label": label,
        "method": method,
        "metric": metric,
        "value": value,
    }
    return {**common, "score": 1.0, "probability": 0.7, "synthetic": True, **shown, **more}


def evaluation(patients=24, seed=0):
    """(rows, curves, sanity) of two labels, three methods, four baselines; two images a patient."""
    random = np.random.default_rng(seed)
    rows, curves, sanity = [], [], []
    for number in range(patients):
        shift = random.normal(0, 0.08)
        for film in range(2):
            who = {"image": f"film_{number:03d}_{film}", "patient": f"patient_{number:03d}"}
            for label in LABELS:
                area = random.uniform(0.01, 0.1)
                for method, skill in (METHODS | BASELINES).items():
                    how = {
                        "label": label,
                        "method": method,
                        "layer": LAYER,
                        "baseline": method in BASELINES,
                    }
                    good = float(np.clip(skill + shift + random.normal(0, 0.12), 0.01, 1))
                    empty = method == "gradcam" and number == 3
                    rows += [
                        row(**who, **how, empty=empty, **line)
                        for line in _lines(method, good, area, empty, random)
                    ]
                    curves += [{**who, **how, **point} for point in _points(good, random)]
    for method, skill in METHODS.items():
        for label in LABELS:
            sanity += _randomised(method, label, skill, random)
    return pd.DataFrame(rows), pd.DataFrame(curves), pd.DataFrame(sanity)


def _lines(method, good, area, empty, random):
    ceiling = 0.6 / area
    lift = np.nan if empty else 1 + good * (ceiling - 1)
    yield {"metric": "average_precision_lift", "value": lift, "chance": 1.0, "ceiling": ceiling}
    yield {"metric": "hit", "value": float(random.random() < good), "chance": area, "ceiling": 0.85}
    yield {"metric": "class_specificity", "value": good - random.uniform(0, 0.5), "chance": 0.0}
    yield {"metric": "gini", "value": random.uniform(0.3, 0.8)}
    drop = 0.002 if method == "fake_cam" else 0.6 * (1 - good)
    for output, scale in (("logit", 3.0), ("probability", 0.4)):
        yield {
            "metric": "road",
            "output": output,
            "value": scale * (good - 0.2) + random.normal(0, 0.1),
            "chance": 0.0,
        }
        yield {
            "metric": "cell_insertion_deletion",
            "output": output,
            "value": scale * (0.8 - abs(good - 0.55)),
            "chance": 0.0,
        }
        yield {"metric": "average_drop", "output": output, "value": drop}
        yield {
            "metric": "increase_in_confidence",
            "output": output,
            "value": float(method == "fake_cam"),
        }


def _points(good, random):
    for output, scale in (("logit", 3.0), ("probability", 0.8)):
        for share in (0.2, 0.4, 0.6, 0.8):
            yield {
                "curve": "road_morf",
                "output": output,
                "share": share,
                "value": scale * (1 - share**0.5 * (0.4 + good)),
            }
            yield {
                "curve": "road_lerf",
                "output": output,
                "share": share,
                "value": scale * (1 - share**2 * (1 - good)),
            }
        for step in range(15):
            share = step / 14
            yield {
                "curve": "cell_deletion",
                "output": output,
                "share": share,
                "value": scale * (1 - share) ** (1 + 3 * good),
            }
            yield {
                "curve": "cell_insertion",
                "output": output,
                "share": share,
                "value": scale * share ** (1 / (1 + 3 * good)),
            }


def _randomised(method, label, skill, random):
    for mode in ("cascading", "independent"):
        for block in range(6):
            fall = 1 - (block + 1) / 6 if mode == "cascading" else 0.5
            insensitive = method == "eigencam"
            for seed in range(3):
                for image in range(12):
                    dead = method == "gradcam" and mode == "cascading" and block > 3 and image < 3
                    alike = 0.85 if insensitive else 0.9 * fall + random.normal(0, 0.05)
                    yield {
                        **{
                            "label": label,
                            "method": method,
                            "layer": LAYER,
                            "mode": mode,
                            "block": block,
                            "seed": seed,
                        },
                        **{
                            "block_name": f"features.block{6 - block}",
                            "image": f"film_{image:03d}_0",
                        },
                        "similarity": np.nan if dead else alike,
                        **{"dead": dead, "null": 0.2 + skill / 10, "pooled": False},
                        **_verdict(0.85 if insensitive else 0.9 * fall, 0.2 + skill / 10),
                    }


def _verdict(alike, null):
    """Columns of the gate of a mean similarity that is known to ±.02."""
    margin, difference = 0.2 * (1 - null), alike - null
    return {
        "gate_similarity": alike,
        "excess": difference / (1 - null),
        "low": difference - 0.02,
        "high": difference + 0.02,
        "margin": margin,
        "images": 12,
        "patients": 12,
        "verdict": "depends" if difference + 0.02 <= margin else "unchanged",
        "more": 0.0,
    }
