"""What is made of an evaluation's tables: summary, differences, figures, case pictures, page.

A model is needed for the pictures alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from camlucida.attribution.explanation import Explanation
from camlucida.core.files import slug, write_bytes
from camlucida.core.png import png_bytes
from camlucida.core.volume_scan import is_volume
from camlucida.evaluation.maps import summary as tables
from camlucida.evaluation.maps.baselines import BASELINES
from camlucida.evaluation.maps.boxes import summarise_boxes
from camlucida.evaluation.maps.folder import Evaluated
from camlucida.evaluation.maps.readers import KEYS, READERS, reader_summary
from camlucida.evaluation.maps.samples import label_of
from camlucida.evaluation.maps.source import Source
from camlucida.figures.comparison import FINDING_COLOUR
from camlucida.figures.files import save_figure
from camlucida.figures.panels import three_panel
from camlucida.figures.sheets import DPI
from camlucida.figures.volumes.explained import overlay_image
from camlucida.io.tables import write_table
from camlucida.metrics.annotations import Mask
from camlucida.metrics.bootstrap import REPLICATES
from camlucida.report.viewer.case_files import write_case
from camlucida.report.viewer.data import case_file, mask_outlines
from camlucida.report.viewer.volumes import volume_annotations
from camlucida.runs.keyed import IMAGE_NAMES, KEYED
from camlucida.workflows.evaluation.page import (
    EvaluationAbout,
    EvaluationTables,
    Example,
    write_evaluation_page,
)

LEVEL = 0.95


def present(out: Path, evaluated: Evaluated, source: Source | None) -> tuple[Path, pd.DataFrame]:
    """Write everything that is made of the measured tables.

    ``summary.csv``, ``differences.csv``, ``ranks.csv``, figures, case pictures and
    ``evaluation.html``.

    Args:
        out: the folder.
        evaluated: the measured tables.
        source: to draw the cases from; None keeps the pictures that exist.

    Returns:
        The page's path and the summary.
    """
    measured, record = evaluated.tables, evaluated.about
    rows = measured.rows
    summary = _summary(evaluated)
    differences = tables.differences(rows, REPLICATES, LEVEL)
    write_table(summary, out / "summary.csv")
    write_table(differences, out / "differences.csv")
    write_table(tables.ranking(summary), out / "ranks.csv")
    chosen = tables.best_median_worst(rows[~rows["method"].isin(BASELINES)])
    about = EvaluationAbout(
        model=record["model"]["name"],
        sha256=record["model"]["sha256"],
        command=record["command"],
        versions=record["versions"],
        forwards=measured.count.images,
        seconds=evaluated.seconds,
        notes=measured.notes,
        failures=list(map(str, measured.failures)),
        cases_rule=chosen.rule,
        level=LEVEL,
        replicates=REPLICATES,
        keyed=record.get(IMAGE_NAMES) == KEYED,  # of an earlier version it has none
        shown_layers=measured.shown_layers,
    )
    examples = [_example(out, chosen_map, source) for chosen_map in chosen.maps]
    drawn = [example for example in examples if (out / example.picture).is_file()]
    readers = pd.DataFrame()
    if (out / READERS).is_file():
        dtypes = dict.fromkeys(("image", "patient", *KEYS), str)
        rows_of_readers = pd.read_csv(
            out / READERS, dtype=dtypes, na_values=[""], keep_default_na=False
        )
        readers = reader_summary(rows_of_readers)
    page_tables = EvaluationTables(
        rows, measured.curves, evaluated.sanity, summary, differences, readers
    )
    return write_evaluation_page(out, page_tables, about, drawn), summary


def _summary(evaluated: Evaluated) -> pd.DataFrame:
    """Means of the rows, and the figures of boxes, which are of all images together."""
    rows, boxes = evaluated.tables.rows, evaluated.tables.boxes
    summary = tables.summarise(rows, REPLICATES, LEVEL)
    box_metrics = evaluated.about["box_metrics"]
    if not box_metrics or boxes.empty:
        return summary
    boxes = boxes.assign(synthetic=bool(rows["synthetic"].any()))
    several_labels = rows["label"].nunique() > 1
    of_boxes = summarise_boxes(boxes, several_labels, box_metrics, LEVEL)
    return pd.concat([summary, of_boxes], ignore_index=True)


def _example(out: Path, chosen: tables.ChosenMap, source: Source | None) -> Example:
    """One chosen map; its picture and its data for the viewer where there is a model."""
    names = "_".join(slug(part) for part in (chosen.image, chosen.label, chosen.method))
    name = f"case_{chosen.which}_{names}.png"
    view = f"case_{chosen.which}_{names}.view.js"
    if source is not None:
        explanation, truth = _map_and_mask(source, chosen)
        (out / view).unlink(missing_ok=True)  # of an earlier evaluation
        if is_volume(explanation.scan):
            picture = overlay_image(explanation, truth=truth)
            write_bytes(out / name, png_bytes(np.asarray(picture), DPI))
            annotations = volume_annotations(explanation.scan, chosen.label, truth)
            write_case(case_file(out / view, [explanation], annotations=annotations))
        else:
            figure = outlined(three_panel(explanation), truth)
            save_figure(figure, (out / name).with_suffix(""), ["png"])
            outlines = mask_outlines(chosen.label, truth)
            write_case(case_file(out / view, [explanation], outlines=outlines))
    return Example(chosen, name, view if (out / view).is_file() else "")


def _map_and_mask(source: Source, chosen: tables.ChosenMap) -> tuple[Explanation, Mask | None]:
    """The chosen map, and the annotation of its label."""
    sample = source.sample_of(chosen.image, levels=True)
    key = chosen.label, chosen.method, chosen.layer
    explanations = source.explanations(sample)
    explanation = next(e for e in explanations if (e.target, e.method, e.layer) == key)
    return explanation, sample.mask(label_of(explanation))


def outlined(figure: Figure, truth: Mask | None) -> Figure:
    """Draw the outline of the ground truth on each panel of a three-panel figure.

    Args:
        figure: of :func:`camlucida.figures.panels.three_panel`.
        truth: (H, W) in original pixels; None draws nothing.
    """
    if truth is not None and truth.any():
        for axes in figure.axes[:3]:
            axes.contour(truth, [0.5], colors=[FINDING_COLOUR], linewidths=1.0)
    return figure
