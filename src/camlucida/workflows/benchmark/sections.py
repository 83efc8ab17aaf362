"""Sections of the page: run, leaderboard, meta-evaluation, verified use, limitations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from camlucida.evaluation.maps.summary import title
from camlucida.report.document import (
    Block,
    Cell,
    CellValue,
    Code,
    Estimate,
    Facts,
    Paragraph,
    Picture,
    Points,
    Section,
    Table,
    Text,
    phrase,
)
from camlucida.workflows.benchmark.cells import (
    estimate,
    listed,
    method_name,
    share,
    value,
)
from camlucida.workflows.benchmark.leaderboard import SHOWN, models_agree
from camlucida.workflows.benchmark.meta import BLEND, BLUR, SHIFT, reason_words
from camlucida.workflows.benchmark.ranks import ORDERED_FROM
from camlucida.workflows.benchmark.result import Benchmark
from camlucida.workflows.benchmark.tables import pass_rates

BOARD_FIGURE, METRICS_FIGURE = "benchmark_board.png", "benchmark_metrics.png"
"""Figures beside the page; each has an SVG of the same name."""
GROUP_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SHORTEST_MS = 100
"""Milliseconds from which no decimal is shown."""


def run_section(b: Benchmark) -> Section:
    """The settings and the size of the run."""
    about = b.about
    size = about["size"]
    maps = len(b.rows.drop_duplicates(["arm", "model", "image", "label", "method"]))
    threads = f"{about['threads']} torch thread{'' if about['threads'] == 1 else 's'}"
    version = Code(about["generator_version"][:12])
    rows: list[tuple[Text, CellValue]] = [
        ("Command", phrase(Code(about["command"]), " (quick)" if about["quick"] else "")),
        ("Time", f"{about['seconds'] / 60:.1f} minutes, {threads}, {about['device']}"),
        (
            "Films of each model",
            f"main {size['main']}, shortcut {size['shortcut']}, null {size['null']}; "
            f"{size['meta']} of the main films test the metrics",
        ),
        ("Maps scored", f"{maps:,}, in {len(b.rows):,} rows"),
        ("Models", _models(about["models"])),
        (
            "Generator of the films",
            phrase(Code("phantom.trial"), ", version ", version, f", seed {about['seed']}"),
        ),
        ("Layer", listed(list(dict.fromkeys(b.rows["layer"])))),
        ("Versions", ", ".join(f"{name} {text}" for name, text in about["versions"].items())),
    ]
    if about["custom_methods"]:
        rows.append(("Methods of the user", ", ".join(about["custom_methods"])))
    notes = [*about["notes"], *(f"Failed, and left out: {line}" for line in about["failures"])]
    return Section("run-record", (Facts(tuple(rows)), Points(tuple(notes))), title="This run")


def _models(models: list[dict[str, Any]]) -> Text:
    parts: list[Text] = []
    for position, model in enumerate(models):
        parts += [f"{', ' if position else ''}{model['name']} (", Code(model["sha256"][:12]), ")"]
    return phrase(*parts)


def leaderboard_section(b: Benchmark) -> Section:
    """Ranks and scores of the methods, and how far the models agree on them."""
    ranked = listed([str(title(metric, output)) for metric, output in b.metrics] or ["no metric"])
    text: tuple[Text, ...] = (
        "Values are means over all verified maps of the main models and all labels; square "
        "brackets hold 95% intervals from resampling patients.",
        "Methods and baselines are ranked within each metric; ranks are averaged over the metrics "
        "of a family, then over families.",
        f"The ranking metrics are {ranked}.",
        "The upper bound of the grid is the score of the ground truth averaged over the grid's "
        "cells.",
        "A dagger (†) marks methods that give all labels one map.",
        "The cost is that of one image alone.",
        "The interval of a mean rank resamples models, then patients. A group holds the methods "
        "that do not differ from its best one (Bonferroni's correction over all pairs).",
        "Methods whose maps are identical are one entry. The oracle is the ground truth on the "
        "grid; the last line is the mean of all methods on models of permuted labels.",
    )
    if not models_agree(b.agreement):
        text += (
            "The models agree too little on an order of the methods for one to be given "
            f"(Kendall's W below {ORDERED_FROM:g}); within a group the lines are in the order of "
            "their names.",
        )
    blocks: list[Block] = [Paragraph(text)]
    if b.metrics:
        caption = (
            "Mean score of each method with its interval, chance level and upper bound, for the "
            "ranking metrics."
        )
        blocks.append(Picture.of_file(BOARD_FIGURE, caption, more=("svg",)))
    blocks += [_board(b), _agreement(b)]
    return Section("leaderboard", tuple(blocks), title="Leaderboard")


def _board(b: Benchmark) -> Table:
    shown = [(metric, output) for metric, output in b.metrics if metric in SHOWN]
    ranks = [column for column in map(str, b.board.columns) if column.startswith("rank_")]
    families = [column for column in ranks if column not in ("rank_low", "rank_high")]
    head = (
        "position",
        "group",
        "method",
        "mean rank",
        *(f"rank: {family.removeprefix('rank_')}" for family in families),
        *(str(title(metric, output)) for metric, output in shown),
        "ms a map",
    )
    rows: list[tuple[CellValue | Cell, ...]] = []
    for line in b.board.to_dict("records"):
        position = "" if pd.isna(line["position"]) else f"{line['position']:.0f}"
        of_all = estimate(line, "rank", "rank_low", "rank_high")
        of_families = [Cell(Estimate(line[column])) for column in families]
        scores = [_score(line, metric) for metric, _ in shown]
        group = "" if pd.isna(line["group"]) else GROUP_LETTERS[int(line["group"])]
        names = (position, group, _board_name(line))
        rows.append((*names, of_all, *of_families, *scores, _milliseconds(line)))
    rows.append(_reference_row(b, shown, len(families)))
    return Table("leaderboard", "Methods and baselines, best first.", head, tuple(rows))


def _reference_row(
    b: Benchmark, shown: list[tuple[str, str]], families: int
) -> tuple[CellValue | Cell, ...]:
    """The scores of all methods on the models of permuted labels."""
    scores = []
    for metric, _ in shown:
        measured = f"{metric}:estimate" in b.reference
        keys = (f"{metric}:estimate", f"{metric}:low", f"{metric}:high")
        scores.append(estimate(b.reference if measured else None, *keys))
    no_ranks = [Cell(None)] * (1 + families)
    return ("", "", str(b.reference["method"]), *no_ranks, *scores, "")


def _board_name(line: dict[Any, Any]) -> Text:
    dagger = " †" if line["class_specific"] is False and not line["baseline"] else ""
    also = f" = {line['also']}" if line["also"] else ""
    return phrase(method_name(line["method"], line["baseline"]), also, dagger)


def _score(line: dict[Any, Any], metric: str) -> Cell:
    ratio = line[f"{metric}:over_ceiling"]
    note = "" if pd.isna(ratio) else f"{value(ratio, 2)} of the bound"
    cell = estimate(line, f"{metric}:estimate", f"{metric}:low", f"{metric}:high")
    return Cell(cell.value, note=note)


def _milliseconds(line: dict[Any, Any]) -> str:
    if line["baseline"] or pd.isna(line["seconds"]):
        return ""
    milliseconds = 1000 * line["seconds"]
    return f"{milliseconds:.1f}" if milliseconds < SHORTEST_MS else f"{milliseconds:.0f}"


def _agreement(b: Benchmark) -> Table:
    rows = []
    for line in b.agreement.to_dict("records"):
        w = Cell(Estimate(line["kendall_w"]), spec=".2f")
        rows.append((line["among"], int(line["rankings"]), w, line["first"]))
    return Table(
        "agreement",
        "Agreement of the models on the order of the methods (baselines left out).",
        ("among", "rankings", "Kendall's W", "first in at least one"),
        tuple(rows),
    )


def metrics_section(b: Benchmark) -> Section:
    """The meta-evaluation of the metrics."""
    maps = int(b.meta["maps"].max()) if len(b.meta) else 0
    text = (
        f"The metrics score maps whose order of merit is known, on {maps} maps of the main models' "
        "films.",
        "A metric is dropped if its score worsens from one α to a larger one, if it does not "
        "improve from α = 0 to α = 1, or if a blurred oracle scores better than the oracle.",
        "A change counts where the whole 95% interval of the paired difference is on its side; "
        "with fewer than 10 patients there is no interval, and the estimate decides.",
        "Prediction–saliency correlation and efficient MPRT measure how maps change with the "
        "image or the weights, which the ground truth does not: for them the oracle is Grad-CAM's "
        "map of the model as it is, and the random map is drawn anew for each copy of the image "
        "and each draw of the weights.",
    )
    rungs = [*BLEND, *SHIFT, *BLUR]
    head = (
        "metric",
        "better",
        *(rung.replace("blend", "α") for rung in rungs),
        "gain by blur",
        "kept",
        "reason",
    )
    rows = []
    for line in b.meta.to_dict("records"):
        gain = estimate(line, "blur_gain", "blur_gain_low", "blur_gain_high")
        scores = [Cell(Estimate(line[rung])) for rung in rungs]
        kept = "yes" if line["kept"] else "no"
        reasons = reason_words(line["why"])
        rows.append((line["title"], line["direction"], *scores, gain, kept, reasons))
    blocks: list[Block] = [Paragraph(text)]
    if rows:
        caption = "Score of each metric on maps of rising merit, on shifted and on blurred oracles."
        blocks.append(Picture.of_file(METRICS_FIGURE, caption, more=("svg",)))
    blocks.append(Table("metrics", "Mean score of each metric on known maps.", head, tuple(rows)))
    return Section("the-metrics-tested", tuple(blocks), title="The metrics, tested")


def verification_section(b: Benchmark) -> Section:
    """The proof that the models use the evidence."""
    rules = b.about["rules"]
    text = (
        "A film passes for a label if the model predicts it (probability above "
        f"{rules['threshold']:g}), if its logit drops when the evidence is removed, and if the "
        f"drop is at least {rules['ratio']:g} times the change that distractors of equal area and "
        "contrast make on the same bare film."
    )
    rows = []
    for line in pass_rates(b.verification).to_dict("records"):
        changes = [Estimate(line["logit_drop"]), Estimate(line["distractor_change"])]
        names = (line["arm"], line["model"], line["label"])
        predicted, passed = share(line["predicted"]), share(line["pass_rate"])
        rows.append((*names, int(line["films"]), predicted, *changes, passed))
    head = (
        "arm",
        "model",
        "label",
        "films",
        "predicted",
        "drop of the logit",
        "change by distractors (absolute)",
        "passed",
    )
    caption = "Verified use of the evidence, by model and label; means over films."
    table = Table("verification", caption, head, tuple(rows))
    return Section(
        "verified-use", (Paragraph((text,)), table), title="Verified use of the evidence"
    )


def limitations_section(b: Benchmark) -> Section:
    """The limits of the conclusions."""
    return Section("limitations", (Points(tuple(_limitations(b))),), title="Limitations")


def _limitations(b: Benchmark) -> Iterator[Text]:
    yield (
        "Lesions are solid balls and rings on healthy phantoms: sharp, of one energy, without "
        "scatter or disease around them. A method that fails here is unlikely to succeed "
        "elsewhere; one that succeeds here may fail on real films."
    )
    yield (
        "The models are small (under 0.1 million weights), and only their last layer is explained: "
        "a 16 × 16 grid whose cells see most of the film, behind global average pooling and one "
        "linear layer. Methods that differ behind other heads coincide here; earlier layers and "
        "other grids would score otherwise."
    )
    yield (
        "The ground truth is where the film changes. A model may use a part of it, or the lesion's "
        "surroundings: verified use shows that the evidence matters, not which of its pixels."
    )
    yield (
        "The random map of the meta-evaluation is smooth, and the oracle is the ground truth on "
        "the grid. Ordering these maps correctly is necessary, not sufficient; with more films and "
        "narrower intervals a metric that passes may fail."
    )
    yield (
        "Ranks weigh families alike; other weights give other orders. Near-duplicate metrics of "
        "one family weigh more within it."
    )
    yield (
        "Intervals are of means over films and are not corrected for the number of comparisons. "
        "Seeds and architectures are few and are not resampled."
    )
    if b.about["real_films"]:
        yield (
            "On real radiographs the display curve and the lung fields are unknown: pasted lesions "
            "are plausible, not physical, and the models never saw such films."
        )
    else:
        yield phrase(
            "The semi-synthetic arm was not run, as no real radiographs were given (",
            Code("--films"),
            ").",
        )
    if b.about["notes"]:
        yield f"This copy lacks models of the benchmark: {'; '.join(b.about['notes'])}."
