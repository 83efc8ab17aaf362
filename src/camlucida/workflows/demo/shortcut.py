"""A model that cheats: ten SYNTHETIC radiographs, three packaged models, and what moved each model's score, measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from camlucida.attribution.engine import explain
from camlucida.attribution.explanation import Explanation
from camlucida.core.files import write_bytes, write_json
from camlucida.core.provenance import versions
from camlucida.core.scan import Scan
from camlucida.figures.comparison import comparison_figure
from camlucida.figures.panels import figure_png
from camlucida.io import write_synthetic_png
from camlucida.models import LoadedModel, load_model
from camlucida.phantom import Film, film, model_cards
from camlucida.report.page import render
from camlucida.workflows.explain import explain_to_folder

FILMS = 10
FIRST_SEED = 9_000_000
"""Far from the seeds that the packaged models were trained and tested on."""
FINDING = "pneumothorax"
METHOD, LAYER = "hirescam", "features.2"
"""A 32 × 32 grid whose cells see a small part of the film. Those of the last layer see nearly all of it, so that a map there is
wide whatever the model used; both are measured."""
MARKER = "PORT"
SIZE = 256
OTHERS = ("nodule", "effusion", "cardiomegaly", "consolidation")
RESAMPLES = 2000
SHOWN = 3
"""Films in the side-by-side picture."""


@dataclass(frozen=True)
class ShortcutResult:
    """The page, and the lines that sum it up."""

    index: Path
    lines: list[str]


@dataclass(frozen=True)
class Interval:
    """A mean over films with its 95 % percentile bootstrap interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


def run_shortcut(out: Path, device: str) -> ShortcutResult:
    """Make the films, explain them with every packaged model, measure, and write ``out/index.html``."""
    films = demo_films()
    paths = write_films(films, out / "films")
    cards = model_cards()
    rows: list[dict[str, Any]] = []
    columns: dict[str, list[Explanation]] = {}
    for name, card in cards.items():
        model = load_model(card, device=device)
        outcome = explain_to_folder(
            model,
            paths,
            out / name,
            targets=[FINDING],
            methods=[METHOD],
            layers=[LAYER],
            command=f"camlucida demo (model {name})",
        )
        scans = [model.read(path) for path in paths]
        columns[name] = explain(model, scans, target=FINDING, method=METHOD, layer=LAYER)
        last = explain(model, scans, target=FINDING)
        rows.append(
            measure(model, films, scans, columns[name], last)
            | {"page": f"{name}/{outcome.index.name}"}
        )
    figure = comparison_figure(
        columns, [(item.masks[FINDING], item.masks["marker"]) for item in films[:SHOWN]]
    )
    write_bytes(out / "comparison.png", figure_png(figure))
    chance = {
        key: float(np.mean([item.masks[key].mean() for item in films]))
        for key in (FINDING, "marker")
    }
    summary = {
        "films": FILMS,
        "finding": FINDING,
        "marker": MARKER,
        "method": METHOD,
        "layer": LAYER,
        "chance": chance,
        "models": rows,
        "versions": versions(),
    }
    write_json(out / "demo.json", summary)
    render("demo.html.j2", out / "index.html", **summary, resamples=RESAMPLES)
    return ShortcutResult(out / "index.html", [_sentence(row, chance) for row in rows])


def demo_films() -> list[Film]:
    """Ten films, each with a pneumothorax, the marker, and none to two other findings."""
    films = []
    for number in range(FILMS):
        random = np.random.default_rng(FIRST_SEED + number)
        others = random.choice(OTHERS, size=number % 3, replace=False)
        films.append(film(FIRST_SEED + number, [FINDING, *map(str, others)], MARKER, SIZE))
    return films


def write_films(films: Sequence[Film], folder: Path) -> list[Path]:
    """Each film as a PNG that says it is synthetic."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, item in enumerate(films):
        path = folder / f"film_{number:02d}.png"
        write_synthetic_png(
            path, item.image, {"seed": item.seed, "findings": ", ".join(item.findings)}
        )
        paths.append(path)
    return paths


def measure(
    model: LoadedModel,
    films: Sequence[Film],
    scans: Sequence[Scan],
    maps: Sequence[Explanation],
    last: Sequence[Explanation],
) -> dict[str, Any]:
    """Where the heat of ``maps`` and of Grad-CAM at the ``last`` layer lies, and how far the logit falls when the finding, or the
    marker, is taken out of the film."""
    with_both = _logits(model, scans)
    row: dict[str, Any] = {
        "name": model.name,
        "description": model.card.description,
        "last layer": last[0].layer,
    }
    for key in (FINDING, "marker"):
        for kind, explanations in (("heat", maps), ("last-layer heat", last)):
            heat = [np.clip(item.numpy(), 0, None) for item in explanations]
            row[f"{kind} on {key}"] = vars(
                bootstrap(np.array([_share(h, f.masks[key]) for h, f in zip(heat, films)]))
            )
        altered = [_without(item, key) for item in films]
        fall = with_both - _logits(model, [_scan(model, item) for item in altered])
        row[f"fall without {key}"] = vars(bootstrap(fall))
    row["relies on"] = max((FINDING, "marker"), key=lambda key: row[f"fall without {key}"]["mean"])
    return row


def _without(item: Film, key: str) -> Film:
    """The film's twin, same patient and noise, without the finding or without the marker."""
    findings = [name for name in item.findings if name != key]
    return film(item.seed, findings, None if key == "marker" else item.marker, SIZE)


def _share(heat: NDArray[np.floating[Any]], mask: NDArray[np.bool_]) -> float:
    """Share of the positive heat inside the mask; NaN without heat."""
    total = float(heat.sum())
    return float(heat[mask].sum()) / total if total > 0 else float("nan")


def _scan(model: LoadedModel, item: Film) -> Scan:
    from camlucida.io import RawImage
    from camlucida.models.preprocessing import prepare

    pixels = item.image.astype(np.float32) / np.float32(255)
    return prepare(
        RawImage(pixels=pixels, display=item.image, id=f"seed{item.seed}", synthetic=True),
        model.card.input,
    )


def _logits(model: LoadedModel, scans: Sequence[Scan]) -> NDArray[np.float64]:
    """The finding's logit for each scan."""
    weight = next(model.module.parameters())
    with torch.inference_mode():
        logits = model.module(torch.stack([scan.tensor for scan in scans]).to(weight))
    return np.asarray(logits[:, model.card.labels.index(FINDING)].double().cpu())


def bootstrap(values: NDArray[np.floating[Any]], seed: int = 0) -> Interval:
    """Mean and 95 % percentile interval over films; NaN values (no heat) are left out."""
    values = values[np.isfinite(values)]
    draws = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[draws].mean(1), [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def _sentence(row: Mapping[str, Any], chance: Mapping[str, float]) -> str:
    def ratio(key: str) -> str:
        return f"{Interval(**row[f'heat on {key}'])} of the heat on the {key} (chance {chance[key]:.2f})"

    falls = ", ".join(
        f"{Interval(**row[f'fall without {key}'])} without the {key}" for key in (FINDING, "marker")
    )
    return f"{row['name']}: {ratio(FINDING)}, {ratio('marker')}; the logit falls by {falls}"
