"""Runs that lie in memory, with the tables that the package of cases would make of them."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch

CASE = {
    **dict.fromkeys(("split", "true_class", "outcome", "empty_reason", "predicted"), ""),
    **dict.fromkeys(("truth", "error", "loss", "dice", "value", "probability"), float("nan")),
    "weight": 1.0,
    "correct": None,
    "mask": None,
    "box": None,
    "synthetic": False,
    "score_kind": "logit",
}


@dataclass
class StoredRun:
    """What a comparison asks of a run."""

    about: dict
    maps: list
    explained: pd.DataFrame
    said: pd.DataFrame
    name: str = "run"

    @property
    def folder(self):
        return SimpleNamespace(root=Path(self.name))

    @property
    def counts(self):
        return {"done": 1, "failed": 0, "pending": 0}

    def explanations(self):
        return self.explained.copy()

    def predictions(self):
        return self.said.copy()

    def raw(self, indices):
        return [torch.from_numpy(np.asarray(self.maps[i], np.float32)) for i in indices]


def world(models, *, task="multilabel", patients=None, heat=None, runs=None):
    """Runs, case table and heat table.

    Args:
        models: a dict each: name, seed, fold, architecture, sha, method, layer, and
            maps (image, target) → array;
            said (image, label) → probability, value or run lengths;
            truth (image, label) → number (of a region its Dice);
            relu; hash image → text; frame.
        task: of all of them.
        patients: image → patient; each image its own if None.
        heat: (model, image, target) → (share, area); (0, 0.1) where not given.
        runs: place of the run of each model; all in one if None.
    """
    places = runs or [0] * len(models)
    stored = [StoredRun({"models": []}, [], [], [], f"run{k}") for k in range(max(places) + 1)]
    cases = []
    for model, place in zip(models, places):
        run = stored[place]
        run.about["models"].append(
            {"name": model["name"], "sha256": model.get("sha", model["name"])}
        )
        for (image, target), values in model["maps"].items():
            cases.append(
                _case(model, place, run, image, target, np.asarray(values, float), task, patients)
            )
        for (image, label), number in model.get("said", {}).items():
            run.said.append(_said(model, image, label, number, task, patients))
    for run in stored:
        run.explained, run.said = pd.DataFrame(run.explained), pd.DataFrame(run.said)
    table = pd.DataFrame(cases)
    known = [
        (heat or {}).get((m, i, t), (0.0, 0.1))
        for m, i, t in zip(table["model"], table["image"], table["target"])
    ]
    return (
        stored,
        table,
        pd.DataFrame(known, columns=["artefact_share", "artefact_area"], index=table.index),
    )


def _case(model, place, run, image, target, values, task, patients):
    frame = model.get(
        "frame",
        {"original": [8, 8], "model_size": [8, 8], "scale": [1.0, 1.0], "offset": [0.0, 0.0]},
    )
    run.maps.append(values)
    digest = model.get("hash", {}).get(image, f"sha of {image}")
    run.explained.append(
        {"image": image, "image_sha256": digest, "relu": model.get("relu", False), **frame}
    )
    number = model.get("said", {}).get((image, target))
    truth = model.get("truth", {}).get((image, target), float("nan"))
    dead = not values.any()
    own = {
        **CASE,
        **{
            "run": place,
            "explanation": len(run.maps) - 1,
            "image": image,
            "path": image,
            "task": task,
            "target": target,
        },
        **{
            "label": target,
            "patient": (patients or {}).get(image, image),
            "model": model["name"],
            "grid": values.shape,
        },
        **{key: model.get(key, default) for key, default in DEFAULTS.items()},
        **{
            "low": values.min(),
            "high": values.max(),
            "empty_reason": "all zero" if dead else "",
            "truth": truth,
        },
    }
    if task == "multilabel" and number is not None:
        own |= {"probability": number, "predicted": "positive" if number >= 0.5 else "negative"}
        own["correct"] = None if np.isnan(truth) else bool((number >= 0.5) == truth)
    elif task == "multiclass":
        answers = {label: p for (i, label), p in model["said"].items() if i == image}
        best = max(answers, key=answers.get)
        own |= {
            "probability": number,
            "predicted": best,
            "correct": None if np.isnan(truth) else (best == target) == bool(truth),
        }
    elif task == "regression":
        own |= {"value": number, "error": number - truth}
    elif task == "segmentation":
        own |= {"dice": truth, "truth": float("nan")}
    return own


DEFAULTS = {"architecture": "net", "seed": None, "fold": None, "method": "gradcam", "layer": "last"}


def _said(model, image, label, number, task, patients):
    kinds = {"regression": "value", "segmentation": "region"}
    shared = dict.fromkeys(("logit", "probability", "value", "region"))
    shared |= {
        kinds.get(task, "probability"): number,
        "task": task,
        "label": label,
        "image": image,
        "model": model["name"],
    }
    if task not in kinds:
        shared["logit"] = float(np.log(number / (1 - number)))
    digest = model.get("hash", {}).get(image, f"sha of {image}")
    truth = model.get("truth", {}).get((image, label), float("nan"))
    patient = (patients or {}).get(image, image)
    return {
        **shared,
        "image_sha256": digest,
        "truth": truth,
        "patient": patient,
        "original": [2, 2],
    }


def one_hot(cell, side=3):
    """A map of ``side``² cells, all zero but one.

    Two different ones correlate with r = −1 ÷ (cells − 1).
    """
    heat = np.zeros(side * side)
    heat[cell] = 1
    return heat.reshape(side, side)
