"""Sections of the page: run, leaderboard, meta-evaluation, verified use, limitations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from camlucida.core.messages import Message, chain, quoted
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
from camlucida.workflows.benchmark.cells import Line, estimate, method_name, share, value
from camlucida.workflows.benchmark.leaderboard import SHOWN, models_agree
from camlucida.workflows.benchmark.meta import (
    ALPHAS,
    BLEND,
    BLUR,
    BLURS,
    SHIFT,
    SHIFTS,
    reason_message,
)
from camlucida.workflows.benchmark.ranks import ORDERED_FROM
from camlucida.workflows.benchmark.result import Benchmark
from camlucida.workflows.benchmark.result_texts import name_message
from camlucida.workflows.benchmark.section_texts import page_text
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
    version = Code(about["generator_version"][:12])
    size_values = {name: int(number) for name, number in size.items()}
    generator = (Code("phantom.trial"), page_text("version"), version)
    versions = ", ".join(f"{name} {text}" for name, text in about["versions"].items())
    quick = page_text("quick") if about["quick"] else ""
    time = {"minutes": about["seconds"] / 60, "threads": about["threads"]}
    rows: list[tuple[Text, CellValue]] = [
        (page_text("command"), phrase(Code(about["command"]), quick)),
        (page_text("time"), page_text("time_of", **time, device=about["device"])),
        (page_text("films"), page_text("films_of", **size_values)),
        (page_text("maps"), page_text("maps_of", maps=maps, rows=len(b.rows))),
        (page_text("models"), _models(about["models"])),
        (page_text("methods"), ", ".join(about["settings"]["methods"])),
        (page_text("generator"), phrase(*generator, page_text("seed", seed=about["seed"]))),
        (page_text("layer"), list(dict.fromkeys(b.rows["layer"]))),
        (page_text("versions"), versions),
    ]
    if about["custom_methods"]:
        rows.append((page_text("user_methods"), ", ".join(about["custom_methods"])))
    failed = (page_text("failed", line=quoted(line)) for line in about["failures"])
    notes = (*_missing_arms(b), *failed)
    return Section("run-record", (Facts(tuple(rows)), Points(notes)), page_text("this_run"))


def _missing_arms(b: Benchmark) -> list[Message]:
    """The arms that lack models in this copy, from the record."""
    return [Message.from_json(note) for note in b.about["notes"]]


def _models(models: list[dict[str, Any]]) -> Text:
    parts: list[Text] = []
    for position, model in enumerate(models):
        parts += [f"{', ' if position else ''}{model['name']} (", Code(model["sha256"][:12]), ")"]
    return phrase(*parts)


def leaderboard_section(b: Benchmark) -> Section:
    """Ranks and scores of the methods, and how far the models agree on them."""
    metrics = [title(metric, output) for metric, output in b.metrics]
    ranking = page_text("ranking_metrics", metrics=metrics) if metrics else page_text("no_metric")
    names = ("bound", "dagger", "cost", "rank_interval", "references")
    text = [page_text("means"), page_text("ranked"), ranking, *map(page_text, names)]
    if not models_agree(b.agreement):
        text.append(page_text("unordered", ordered=ORDERED_FROM))
    blocks: list[Block] = [Paragraph(tuple(text))]
    if b.metrics:
        blocks.append(Picture.of_file(BOARD_FIGURE, page_text("board_figure"), more=("svg",)))
    blocks += [_board(b), _agreement(b)]
    return Section("leaderboard", tuple(blocks), page_text("leaderboard"))


def _board(b: Benchmark) -> Table:
    shown = [(metric, output) for metric, output in b.metrics if metric in SHOWN]
    ranks = [column for column in map(str, b.board.columns) if column.startswith("rank_")]
    families = [column for column in ranks if column not in ("rank_low", "rank_high")]
    head = (
        *map(page_text, ("position", "group", "method", "mean_rank")),
        *(page_text("rank_of", family=_family(column)) for column in families),
        *(title(metric, output) for metric, output in shown),
        page_text("milliseconds"),
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
    return Table("leaderboard", page_text("board"), head, tuple(rows))


def _family(column: str) -> Message:
    """The family of a column of ranks."""
    return Message(f"metric_families.{column.removeprefix('rank_')}")


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
    return ("", "", name_message(str(b.reference["method"])), *no_ranks, *scores, "")


def _board_name(line: dict[Any, Any]) -> Text:
    dagger = " †" if line["class_specific"] is False and not line["baseline"] else ""
    also = f" = {line['also']}" if line["also"] else ""
    return phrase(method_name(line["method"], line["baseline"]), also, dagger)


def _score(line: dict[Any, Any], metric: str) -> Cell:
    ratio = line[f"{metric}:over_ceiling"]
    note = "" if pd.isna(ratio) else name_message("of_bound", ratio=value(ratio, 2))
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
        rows.append((scope_message(line), int(line["rankings"]), w, line["first"]))
    head = tuple(map(page_text, ("among", "rankings", "kendall", "first")))
    return Table("agreement", page_text("agreement"), head, tuple(rows))


def scope_message(line: Line) -> Message:
    """The models among which a line of the agreement ranks."""
    values = {"net": line["net"]} if line["net"] else {}
    return name_message(line["among"], **values)


def metrics_section(b: Benchmark) -> Section:
    """The meta-evaluation of the metrics."""
    maps = int(b.meta["maps"].max()) if len(b.meta) else 0
    tested_on = page_text("tested_on", maps=maps)
    text = (tested_on, *map(page_text, ("keep_rule", "counts_where", "changing")))
    rungs = [*BLEND, *SHIFT, *BLUR]
    head: tuple[Text, ...] = (
        *map(page_text, ("metric", "better")),
        *(f"α {alpha:g}" for alpha in ALPHAS),
        *(page_text("shift", cells=f"{cells:g}") for cells in SHIFTS),
        *(page_text("blur", cells=f"{cells:g}") for cells in BLURS),
        *map(page_text, ("gain_by_blur", "kept", "reason")),
    )
    rows: list[tuple[CellValue | Cell, ...]] = []
    for line in b.meta.to_dict("records"):
        gain = estimate(line, "blur_gain", "blur_gain_low", "blur_gain_high")
        scores = [Cell(Estimate(line[rung])) for rung in rungs]
        kept = page_text("yes" if line["kept"] else "no")
        named = [title(line["metric"], line["output"]), page_text(line["direction"])]
        rows.append((*named, *scores, gain, kept, reason_message(line["why"])))
    blocks: list[Block] = [Paragraph(text)]
    if rows:
        caption = page_text("metrics_figure")
        blocks.append(Picture.of_file(METRICS_FIGURE, caption, more=("svg",)))
    blocks.append(Table("metrics", page_text("metrics_table"), head, tuple(rows)))
    return Section("the-metrics-tested", tuple(blocks), page_text("metrics_tested"))


def verification_section(b: Benchmark) -> Section:
    """The proof that the models use the evidence."""
    rules = b.about["rules"]
    text = page_text("proof", threshold=rules["threshold"], ratio=rules["ratio"])
    rows = []
    for line in pass_rates(b.verification).to_dict("records"):
        changes = [Estimate(line["logit_drop"]), Estimate(line["distractor_change"])]
        names = (line["arm"], line["model"], line["label"])
        predicted, passed = share(line["predicted"]), share(line["pass_rate"])
        rows.append((*names, int(line["films"]), predicted, *changes, passed))
    of_films = ("n_films", "predicted", "logit_drop", "distractor_change", "passed")
    head = tuple(map(page_text, ("arm", "model", "label", *of_films)))
    table = Table("verification", page_text("verification"), head, tuple(rows))
    return Section("verified-use", (Paragraph((text,)), table), page_text("verified_use"))


def limitations_section(b: Benchmark) -> Section:
    """The limits of the conclusions."""
    title = Message("benchmark_limits.title")
    return Section("limitations", (Points(tuple(_limitations(b))),), title)


def _limitations(b: Benchmark) -> Iterator[Message]:
    of_films = "real" if b.about["real_films"] else "no_real"
    for name in ("lesions", "models", "truth", "ladder", "weights", "intervals", of_films):
        yield Message(f"benchmark_limits.{name}")
    missing = _missing_arms(b)
    if missing:
        arms = chain("words.clause", missing)
        yield Message("benchmark_limits.missing", {"arms": arms})
