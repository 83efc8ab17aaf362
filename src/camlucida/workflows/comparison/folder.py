"""The folder of a comparison: tables, ``comparison.json``, figures and ``comparison.html``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from camlucida.analysis.comparison.compare import Comparison
from camlucida.analysis.comparison.decisions import WORDS
from camlucida.analysis.comparison.summary import RIGHT, by_verdict
from camlucida.analysis.comparison.verdict import ARTEFACT, CONSISTENT
from camlucida.core.files import slug, unique, write_json
from camlucida.figures.consistency import (
    TITLES,
    all_series_figure,
    consistency_figure,
    panel_figure,
    verdicts_figure,
)
from camlucida.figures.files import save_figure
from camlucida.figures.overlay import NOTICE
from camlucida.io.tables import write_table
from camlucida.metrics.statistics import MIN_POSITIVES
from camlucida.report.page import render
from camlucida.runs import Run

TABLES = ("all_series", "pairs", "cases", "maps", "performance")
"""Tables of a comparison, each a CSV."""

SHOWN = 200
"""Cases on the page; all of them are in ``cases.csv``."""


def write_comparison(
    out: Path, comparison: Comparison, runs: Sequence[Run], about: Mapping[str, Any]
) -> list[Path]:
    """Write everything; the files.

    Args:
        out: made if missing; files of the same name are replaced.
        comparison: of ``runs``.
        runs: where the maps of the figures are read.
        about: for the record: the command and versions.
    """
    written = []
    for name in TABLES:
        write_table(getattr(comparison, name), out / f"{name}.csv")
        written.append(out / f"{name}.csv")
    figures = {}
    for name, title, figure in _figures(comparison, runs):
        written += save_figure(figure, out / name)
        figures[name] = title
    write_json(out / "comparison.json", document(comparison, runs, about))
    verdicts = by_verdict(comparison)
    render(
        "comparison.html.j2",
        out / "comparison.html",
        comparison=comparison,
        about=about,
        places=[str(run.folder.root) for run in runs],
        figures=figures,
        all_series=_plain(comparison.all_series),
        pairs=_plain(comparison.pairs),
        cases=_plain(comparison.cases[:SHOWN]),
        verdicts=_plain(verdicts),
        words=WORDS[comparison.kind],
        right=RIGHT[comparison.kind][1],
        titles=TITLES,
        limits=limits(comparison),
    )
    return [*written, out / "comparison.json", out / "comparison.html"]


def document(
    comparison: Comparison, runs: Sequence[Run], about: Mapping[str, Any]
) -> dict[str, Any]:
    """``comparison.json``; a number that does not exist is null."""
    return {
        "by": comparison.by,
        "runs": [str(run.folder.root) for run in runs],
        "rule": comparison.rule,
        "thresholds": asdict(comparison.thresholds),
        "notes": list(comparison.notes),
        "verdicts": _plain(by_verdict(comparison)),
        "all_series": _plain(comparison.all_series),
        "pairs": _plain(comparison.pairs),
        "synthetic": comparison.synthetic,
        "notice": NOTICE,
        **about,
    }


def limits(comparison: Comparison) -> list[str]:
    """What the numbers do not show: sentences, each with a number of this comparison."""
    pairs, all_series, cases = comparison.pairs, comparison.all_series, comparison.cases
    fewest, most = int(all_series["patients"].min()), int(all_series["patients"].max())
    found = [
        f"Intervals resample patients, of whom there are {most if fewest == most else f'{fewest} to {most}, by map series'}"
        + (f": under {MIN_POSITIVES} patients none is given." if fewest < MIN_POSITIVES else ".")
    ]
    known = pairs[(pairs["label"] == "") & pairs["null"].notna()]
    if len(known):
        found.append(
            f"Maps of different patients are alike, too: r {known['null'].min():.2f} to {known['null'].max():.2f} on average, by "
            "pair of map series. Only what exceeds that counts as agreement, and the null itself is estimated from these images."
        )
    dead, maps = (
        int(pairs["dead"][pairs["label"] == ""].sum()),
        int(pairs["maps"][pairs["label"] == ""].sum()),
    )
    if dead:
        why = "one of the two is constant, or their models saw too little of the image in common"
        found.append(f"{dead} of {maps} compared pairs of maps have no similarity: {why}.")
    heat = all_series["artefact_share"].notna()
    if len(cases) and heat.any():
        low, high = (
            all_series["artefact_share"][heat].min(),
            all_series["artefact_share"][heat].max(),
        )
        found.append(
            f"Heat on artefacts is {low:.2f} to {high:.2f} by map series, where a uniform map would have "
            f"{all_series['artefact_area'][heat].mean():.2f}. Little of it is no proof that no shortcut is used: one may lie inside "
            "the body. Text and body are found by simple rules."
        )
    denied = _denied(comparison)
    if denied:
        marked = int((cases["verdict"] == ARTEFACT).sum())
        found.append(
            f"{denied} of {marked} verdicts “{ARTEFACT}” rest on map series that do not call the label positive. Their maps hold "
            "what little speaks for it; where that lies says little of how the model decides."
        )
    if len(cases):
        agreed = cases["verdict"] == CONSISTENT
        wrong = cases[agreed & (cases["correct"] < 1)]
        judged = int((agreed & cases["correct"].notna()).sum())
        if judged:
            found.append(
                f"Of {judged} consistent cases with a known truth at least one map series is wrong in {len(wrong)}."
            )
    return found


def _denied(comparison: Comparison) -> int:
    """Cases with heat on artefacts only in map series that do not call the label positive."""
    if comparison.kind != "labels":
        return 0
    rule, maps = comparison.thresholds, comparison.maps
    heat = zip(maps["artefact_share"], maps["artefact_area"])
    marked = maps[np.array([rule.on_artefacts(share, area) for share, area in heat], bool)]
    called = marked["said"].str.startswith("positive").groupby(marked["case"]).any()
    cases = comparison.cases["case"][comparison.cases["verdict"] == ARTEFACT]
    return int((~called.reindex(cases).astype(bool)).sum())


def _figures(comparison: Comparison, runs: Sequence[Run]) -> Iterator[tuple[str, str, Figure]]:
    """(file name, what it is, figure)."""
    yield (
        "all_series",
        "How right each map series is, and its heat on artefacts",
        all_series_figure(comparison),
    )
    if comparison.cases.empty:
        return
    if not comparison.pairs["identical"].all():
        yield "consistency", "How far each two map series agree", consistency_figure(comparison)
    yield (
        "verdicts",
        "Verdicts, and how right the map series are in each",
        verdicts_figure(comparison),
    )
    groups = list(dict.fromkeys(comparison.all_series["group"]))
    taken: set[str] = set()
    for group in groups:
        figure = panel_figure(comparison, group, lambda run, index: runs[run].explanation(index))
        if figure is not None:
            name = f"{comparison.by}_panel" + (
                f"_{slug(unique(group, taken))}" if len(groups) > 1 else ""
            )
            yield (
                name,
                f"Cases as every {comparison.by} sees them{': ' + group if group else ''}",
                figure,
            )


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Records of plain values; None for what does not exist."""
    return [
        {str(key): _value(value) for key, value in line.items()}
        for line in table.to_dict("records")
    ]


def _value(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
