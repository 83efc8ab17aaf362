"""All that is made of an evaluation's tables: summary, differences, figures, pictures of cases, the page. No model is needed,
but for the pictures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from camlucida.attribution.explanation import Explanation
from camlucida.core.files import slug, write_bytes
from camlucida.evaluation.maps import summary as tables
from camlucida.evaluation.maps.baselines import BASELINES
from camlucida.evaluation.maps.boxes import summarise_boxes
from camlucida.evaluation.maps.folder import Evaluated
from camlucida.evaluation.maps.samples import label_of
from camlucida.evaluation.maps.source import Source
from camlucida.figures.comparison import FINDING_COLOUR
from camlucida.figures.panels import figure_png, three_panel
from camlucida.io.tables import write_table
from camlucida.metrics.annotations import Mask
from camlucida.metrics.bootstrap import REPLICATES
from camlucida.workflows.evaluation.page import About, Example, write_evaluation_page

LEVEL = 0.95


def present(out: Path, evaluated: Evaluated, source: Source | None) -> tuple[Path, pd.DataFrame]:
    """Write ``summary.csv``, ``differences.csv``, ``ranks.csv``, figures, pictures and ``evaluation.html``.

    Args:
        out: the folder.
        evaluated: the measured tables.
        source: to draw the cases from; None keeps the pictures that are there.

    Returns:
        The page's path and the summary.
    """
    rows, record = evaluated.tables.rows, evaluated.about
    summary = tables.summarise(rows, REPLICATES, LEVEL)
    if record["box_metrics"] and len(evaluated.tables.boxes):
        boxes = evaluated.tables.boxes.assign(synthetic=bool(rows["synthetic"].any()))
        several = rows["label"].nunique() > 1
        summary = pd.concat(
            [summary, summarise_boxes(boxes, several, record["box_metrics"], LEVEL)],
            ignore_index=True,
        )
    differences = tables.differences(rows, REPLICATES, LEVEL)
    write_table(summary, out / "summary.csv")
    write_table(differences, out / "differences.csv")
    write_table(tables.ranking(summary), out / "ranks.csv")
    chosen = tables.best_median_worst(rows[~rows["method"].isin(BASELINES)])
    about: About = {
        "model": record["model"]["name"],
        "sha256": record["model"]["sha256"],
        "command": record["command"],
        "versions": record["versions"],
        "forwards": evaluated.tables.count.images,
        "seconds": evaluated.seconds,
        "notes": evaluated.tables.notes,
        "failures": [error for _, error in evaluated.tables.failures],
        "cases_rule": chosen.rule,
        "level": LEVEL,
        "replicates": REPLICATES,
    }
    examples = [_example(out, case, source) for case in chosen.maps]
    shown = [example for example in examples if (out / example["picture"]).is_file()]
    page = write_evaluation_page(
        out, rows, evaluated.tables.curves, evaluated.sanity, summary, differences, about, shown
    )
    return page, summary


def _example(out: Path, case: tables.ChosenMap, source: Source | None) -> Example:
    """One case, and its picture where it can be drawn."""
    name = f"case_{case.which}_{slug(case.image)}_{slug(case.label)}_{slug(case.method)}.png"
    if source is not None:
        explanation, truth = _map_and_mask(source, case)
        write_bytes(out / name, figure_png(outlined(three_panel(explanation), truth)))
    return {
        "which": case.which,
        "image": case.image,
        "label": case.label,
        "method": case.method,
        "value": case.value,
        "chance": case.chance,
        "ceiling": case.ceiling,
        "picture": name,
    }


def _map_and_mask(source: Source, case: tables.ChosenMap) -> tuple[Explanation, Mask | None]:
    """The chosen map, and the annotation of its label."""
    sample = source.sample_of(case.image)
    where = (case.label, case.method, case.layer)
    explanation = next(
        e for e in source.explanations(sample) if (e.target, e.method, e.layer) == where
    )
    return explanation, sample.mask(label_of(explanation))


def outlined(figure: Figure, truth: Mask | None) -> Figure:
    """The truth's outline on each panel of a three-panel figure."""
    if truth is not None and truth.any():
        for axes in figure.axes[:3]:
            axes.contour(truth, [0.5], colors=[FINDING_COLOUR], linewidths=1.0)
    return figure
