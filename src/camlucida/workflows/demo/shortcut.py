"""A model that uses a shortcut: ten SYNTHETIC radiographs, three packaged models, measurements.

Two measurements of each model: how far its logit drops when the finding, or the marker, is removed
from the otherwise identical film; and the share of the map's heat on each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
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
from camlucida.io import RawImage, write_synthetic_png
from camlucida.metrics.bootstrap import REPLICATES, Sampling, draws
from camlucida.metrics.intervals import percentiles
from camlucida.models import LoadedModel, load_model
from camlucida.models.preprocessing import prepare
from camlucida.phantom import Film, film, model_cards
from camlucida.report.document import (
    Cell,
    CellValue,
    Document,
    Estimate,
    Facts,
    Link,
    Paragraph,
    Picture,
    Section,
    Table,
    Text,
    View,
    phrase,
)
from camlucida.report.viewer.case_files import write_case
from camlucida.report.viewer.data import case_file, mask_outlines
from camlucida.report.viewer.page import FOLDER
from camlucida.report.viewer.panels import with_name
from camlucida.report.writers.html import write_page
from camlucida.workflows.explain import explain_to_folder

FILMS = 10
FIRST_SEED = 9_000_000
"""Far from the seeds that the packaged models were trained and tested on."""
FINDING = "pneumothorax"
TARGETS = (FINDING, "marker")
"""Removed from the films, and looked for in the maps."""
METHOD, LAYER = "hirescam", "features.2"
"""A 32 × 32 grid whose cells see a small part of the film. Cells of the last layer see nearly all
of it, so that a map there is wide whatever the model uses; both are measured."""
MARKER = "PORT"
SIZE = 256
OTHERS = ("nodule", "effusion", "cardiomegaly", "consolidation")
SHOWN = 3
"""Films in the side-by-side picture."""


@dataclass(frozen=True)
class ShortcutResult:
    """The page, and the lines that sum it up."""

    index: Path
    lines: list[str]


@dataclass(frozen=True)
class BootstrapMean:
    """A mean over films with its 95 % percentile bootstrap interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"

    @property
    def cell(self) -> Cell:
        """A cell of a table."""
        return Cell(Estimate(self.mean, self.low, self.high), spec=".2f")


@dataclass(frozen=True)
class Measured:
    """The measurements of one model, each of TARGETS → a mean over films.

    Attributes:
        name, description: of the model.
        page: its explanations, relative to the page.
        logit_drop: of the finding's logit, when the key is removed from the film.
        heat: share of the positive heat of METHOD at LAYER on the key.
        last_layer: name of the model's last layer.
        last_layer_heat: share of the positive heat of Grad-CAM there on the key.
    """

    name: str
    description: str
    page: str
    logit_drop: Mapping[str, BootstrapMean]
    heat: Mapping[str, BootstrapMean]
    last_layer: str
    last_layer_heat: Mapping[str, BootstrapMean]

    @property
    def relies_on(self) -> str:
        """The key whose removal lowers the logit more."""
        return max(TARGETS, key=lambda target: self.logit_drop[target].mean)

    @property
    def record(self) -> dict[str, Any]:
        """For ``demo.json``."""
        means = {"logit_drop": self.logit_drop, "heat": self.heat}
        means["last_layer_heat"] = self.last_layer_heat
        numbers = {}
        for name, values in means.items():
            numbers[name] = {target: vars(mean) for target, mean in values.items()}
        return {
            "name": self.name,
            "description": self.description,
            "page": self.page,
            "last_layer": self.last_layer,
            "relies_on": self.relies_on,
            **numbers,
        }


def run_shortcut(out: Path, device: str) -> ShortcutResult:
    """Draw the films, explain them with every packaged model, measure; write ``out/index.html``."""
    films = demo_films()
    paths = write_films(films, out / "films")
    models: list[Measured] = []
    columns: dict[str, list[Explanation]] = {}
    for name, card in model_cards().items():
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
        models.append(measure(model, films, scans, columns[name], f"{name}/{outcome.index.name}"))
    outlines = [(drawn.masks[FINDING], drawn.masks["marker"]) for drawn in films[:SHOWN]]
    write_bytes(out / "comparison.png", figure_png(comparison_figure(columns, outlines)))
    chance = {target: _area(films, target) for target in TARGETS}
    record = {
        "films": FILMS,
        "finding": FINDING,
        "marker": MARKER,
        "method": METHOD,
        "layer": LAYER,
        "chance": chance,
        "models": [model.record for model in models],
        "versions": versions(),
    }
    write_json(out / "demo.json", record)
    views = write_views(columns, films[:SHOWN], out)
    index = write_page(shortcut_document(models, chance, views), out / "index.html")
    return ShortcutResult(index, [_sentence(model, chance) for model in models])


def demo_films() -> list[Film]:
    """Films that each have a pneumothorax, the marker, and none to two other findings."""
    films = []
    for number in range(FILMS):
        random = np.random.default_rng(FIRST_SEED + number)
        others = random.choice(OTHERS, size=number % 3, replace=False)
        films.append(film(FIRST_SEED + number, [FINDING, *map(str, others)], MARKER, SIZE))
    return films


def write_films(films: Sequence[Film], folder: Path) -> list[Path]:
    """Write each image as a PNG marked as synthetic."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, drawn in enumerate(films):
        path = folder / f"film_{number:02d}.png"
        text = {"seed": drawn.seed, "findings": ", ".join(drawn.findings)}
        write_synthetic_png(path, drawn.image, text)
        paths.append(path)
    return paths


def measure(
    model: LoadedModel,
    films: Sequence[Film],
    scans: Sequence[Scan],
    maps: Sequence[Explanation],
    page: str,
) -> Measured:
    """Measure one model.

    Args:
        model: with a label FINDING.
        films: with their masks.
        scans: the films as the model reads them.
        maps: of METHOD at LAYER, one a film.
        page: of these maps, for the record.
    """
    with_both = _logits(model, scans)
    last = explain(model, scans, target=FINDING)
    drops = {}
    for target in TARGETS:
        twins = [_scan(model, _without(drawn, target)) for drawn in films]
        drops[target] = bootstrap(with_both - _logits(model, twins))
    return Measured(
        name=model.name,
        description=model.card.description,
        page=page,
        logit_drop=drops,
        heat={target: _heat_on(target, maps, films) for target in TARGETS},
        last_layer=last[0].layer,
        last_layer_heat={target: _heat_on(target, last, films) for target in TARGETS},
    )


def _heat_on(target: str, maps: Sequence[Explanation], films: Sequence[Film]) -> BootstrapMean:
    shares = []
    for heat_map, drawn in zip(maps, films, strict=True):
        heat = np.clip(heat_map.numpy(), 0, None)
        shares.append(_share(heat, drawn.masks[target]))
    return bootstrap(np.array(shares))


def _area(films: Sequence[Film], target: str) -> float:
    """Mean share of the film under a mask: the chance level of the heat on it."""
    return float(np.mean([drawn.masks[target].mean() for drawn in films]))


def _without(drawn: Film, target: str) -> Film:
    """The film's twin, same patient and noise, without the finding or without the marker."""
    findings = [name for name in drawn.findings if name != target]
    return film(drawn.seed, findings, None if target == "marker" else drawn.marker, SIZE)


def _share(heat: NDArray[np.floating[Any]], mask: NDArray[np.bool_]) -> float:
    """Share of the positive heat inside the mask; NaN without heat."""
    total = float(heat.sum())
    return float(heat[mask].sum()) / total if total > 0 else float("nan")


def _scan(model: LoadedModel, drawn: Film) -> Scan:
    pixels = drawn.image.astype(np.float32) / np.float32(255)
    name = f"seed{drawn.seed}"
    image = RawImage(pixels=pixels, display=drawn.image, id=name, synthetic=True)
    return prepare(image, model.card.input)


def _logits(model: LoadedModel, scans: Sequence[Scan]) -> NDArray[np.float64]:
    """The finding's logit for each scan."""
    weight = next(model.module.parameters())
    with torch.inference_mode():
        logits = model.module(torch.stack([scan.tensor for scan in scans]).to(weight))
    return np.asarray(logits[:, model.card.labels.index(FINDING)].double().cpu())


def bootstrap(values: NDArray[np.floating[Any]], seed: int = 0) -> BootstrapMean:
    """Mean and 95 % percentile interval over films; NaN values (no heat) are left out.

    >>> bootstrap(np.array([0.5, 0.5]))
    BootstrapMean(mean=0.5, low=0.5, high=0.5)
    """
    values = values[np.isfinite(values)]
    sampling = Sampling(seed=seed)
    # Films are few: all replicates are drawn at once.
    (drawn,) = draws(len(values), sampling, sampling.replicates)
    low, high = percentiles(values[drawn].mean(1), sampling.level)
    return BootstrapMean(float(values.mean()), low, high)


def _sentence(model: Measured, chance: Mapping[str, float]) -> str:
    heat = [
        f"{model.heat[target]} on the {target} (chance {chance[target]:.2f})" for target in TARGETS
    ]
    drops = [f"{model.logit_drop[target]} without the {target}" for target in TARGETS]
    return (
        f"{model.name} relies on the {model.relies_on}: its logit drops by {' and '.join(drops)}; "
        f"its share of heat is {' and '.join(heat)}"
    )


def write_views(
    columns: Mapping[str, Sequence[Explanation]], films: Sequence[Film], out: Path
) -> list[View]:
    """Write the first films with the map of every model for the viewer.

    Args:
        columns: model → its maps, one a film.
        films: with their masks.
        out: folder of the page.
    """
    views = []
    for number, drawn in enumerate(films):
        maps = [with_name(each[number], name) for name, each in columns.items()]
        of_targets = (mask_outlines(target, drawn.masks[target]) for target in TARGETS)
        outlines = list(chain.from_iterable(of_targets))
        file = f"{FOLDER}/film_{number:02d}.js"
        write_case(case_file(out / file, maps, outlines=outlines, first=0))
        views.append(View(file, maps[0].scan.id, ""))
    return views


def shortcut_document(
    models: Sequence[Measured], chance: Mapping[str, float], views: Sequence[View] = ()
) -> Document:
    """The page of the measurements.

    Args:
        models: as measured.
        chance: target → its share of the film.
        views: the films of the picture for the viewer.
    """
    purpose = (
        f"Each of the {FILMS} films has a {FINDING} and the marker “{MARKER}”.",
        f"The first measurement needs no heat map: the drop of the logit of {FINDING} when the "
        f"{FINDING}, or the marker, is removed from the otherwise identical film.",
        f"The second is the share of the positive heat ({METHOD} at {LAYER}) on each, beside that "
        "of a uniform map (the chance level, which is the area).",
    )
    intervals = (
        f"Means over {FILMS} films; square brackets hold 95% bootstrap intervals "
        f"({REPLICATES} resamples of films)."
    )
    numbers = phrase("Numbers: ", Link("demo.json"), ".")
    sections = (
        Section("measurements", (_drops(models, chance), _picture(views)), title="Measurements"),
        Section("last-layer", (_last_layer(models),), title="Grad-CAM at the last layer"),
        Section("models", (_described(models),), title="Models"),
    )
    return Document(
        f"Do these models use the {FINDING} or the letters “{MARKER}”?",
        sections,
        synthetic=True,
        intro=(Paragraph(purpose), Paragraph((intervals, numbers), quiet=True)),
    )


def _drops(models: Sequence[Measured], chance: Mapping[str, float]) -> Table:
    rows: list[tuple[CellValue | Cell, ...]] = []
    for model in models:
        drops = [model.logit_drop[target].cell for target in TARGETS]
        heat = [model.heat[target].cell for target in TARGETS]
        rows.append((Link(model.page, model.name), *drops, model.relies_on, *heat))
    head: list[Text | Cell] = ["Model"]
    head += [f"Drop of the logit without the {target}" for target in TARGETS]
    head.append("Relies on")
    for target in TARGETS:
        head.append(Cell(f"Heat on the {target}", note=f"chance {chance[target]:.2f}"))
    caption = f"Drop of the logit and share of heat ({METHOD} at {LAYER})."
    return Table("measurements", caption, tuple(head), tuple(rows))


def _last_layer(models: Sequence[Measured]) -> Table:
    rows: list[tuple[CellValue | Cell, ...]] = []
    for model in models:
        heat = [model.last_layer_heat[target].cell for target in TARGETS]
        rows.append((model.name, model.last_layer, *heat))
    caption = "Share of the heat of Grad-CAM at the last layer."
    note = "Cells of this layer see most of the film, so heat need not lie where the evidence does."
    head = ("Model", "Layer", *(f"Heat on the {target}" for target in TARGETS))
    return Table("last-layer", caption, head, tuple(rows), notes=(note,))


def _picture(views: Sequence[View]) -> Picture:
    caption = f"Films and the overlay of each model; {FINDING} and marker are outlined."
    return Picture.of_file("comparison.png", caption, views=views)


def _described(models: Sequence[Measured]) -> Facts:
    rows = [(Link(model.page, model.name), model.description) for model in models]
    return Facts(tuple(rows))
