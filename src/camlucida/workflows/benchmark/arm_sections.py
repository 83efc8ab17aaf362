"""Sections of the page on the arms: decoy and shortcuts, null models, strata."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from camlucida.evaluation.maps.summary import title
from camlucida.report.document import (
    Block,
    Cell,
    CellValue,
    Estimate,
    Paragraph,
    Picture,
    Section,
    Strong,
    Table,
    Text,
)
from camlucida.workflows.benchmark.cells import (
    Line,
    MethodKind,
    estimate,
    interval,
    method_name,
    ordered,
    percent,
    share,
    with_bound,
)
from camlucida.workflows.benchmark.result import Benchmark
from camlucida.workflows.benchmark.result_texts import name_message
from camlucida.workflows.benchmark.section_texts import arm_text, page_text
from camlucida.workflows.benchmark.tables import (
    ABOVE_CHANCE,
    ALARM_RATIO,
    ALARMS,
    BAR,
    CHIEF_METRICS,
    LOGIT_DROP,
    SCORE,
    SHARE,
    SIZES,
    SPECIFICITY,
    TAG,
    TRACKING,
)

SHORTCUT_FIGURE = "benchmark_shortcut.png"
ByKey = Mapping[tuple[str, str, str], Line]
"""(part, method, quantity) → line."""


def tag_section(b: Benchmark) -> Section:
    """Heat on the tag where it is a decoy and where it is a shortcut, and on distractors."""
    false_alarm = arm_text("false_alarm", ratio=ALARM_RATIO)
    text = (false_alarm, arm_text("followed"), arm_text("all_tagged"))
    decoy, bars = _lines(b, "decoy", TAG), _lines(b, "distractors", BAR)
    blocks: list[Block] = [Paragraph(text)]
    rows = []
    for method, baseline in _methods(decoy):
        heat, alarms = decoy.get(("all", method, SHARE)), decoy.get(("all", method, ALARMS))
        rate = share(None if alarms is None else alarms["estimate"])
        rows.append((method_name(method, baseline), estimate(heat), rate))
    method_column = page_text("method")
    head = (method_column, arm_text("tag_share"), arm_text("false_alarms"))
    blocks.append(Table("decoy", arm_text("decoy"), head, tuple(rows)))
    shares: list[tuple[Text, Cell]] = []
    for method, baseline in _methods(bars):
        heat = bars.get(("all", method, SHARE))
        shares.append((method_name(method, baseline), estimate(heat)))
    columns = (method_column, arm_text("bar_share"))
    blocks.append(Table("distractors", arm_text("distractors"), columns, tuple(shares)))
    blocks += _shortcuts(b)
    return Section("tag", tuple(blocks), arm_text("tag"))


def _shortcuts(b: Benchmark) -> list[Block]:
    """Table and figure of the shortcut arms; nothing where none was run."""
    lines = _lines(b, "shortcut")
    parts = sorted({part for part, _, _ in lines if part.startswith("ρ")})
    if not parts:
        return []
    drops = [estimate(lines.get((part, "", LOGIT_DROP))) for part in parts]
    rows: list[tuple[CellValue | Cell, ...]] = [(page_text("logit_drop"), *drops, "", "")]
    for method, baseline in _methods(lines):
        heat = [_flagged(lines, part, method) for part in parts]
        tracked = [lines.get((part, method, TRACKING)) for part in ("all", "within models")]
        rows.append((method_name(method, baseline), *heat, *map(estimate, tracked)))
    areas = [Cell(Estimate(_area(lines, part))) for part in parts]
    rows.append((arm_text("area"), *areas, "", ""))
    spearman = (arm_text("spearman_all"), arm_text("spearman_within"))
    table = Table(
        "shortcuts",
        arm_text("shortcuts"),
        (page_text("method"), *parts, *spearman),
        tuple(rows),
        notes=(arm_text("below_share", ratio=ALARM_RATIO), arm_text("spearman")),
    )
    caption = arm_text("shortcut_figure")
    return [Picture.of_file(SHORTCUT_FIGURE, caption, more=("svg",)), table]


def _flagged(lines: ByKey, part: str, method: str) -> Cell:
    alarms = lines.get((part, method, ALARMS))
    note = "" if alarms is None else percent(alarms["estimate"])
    return Cell(estimate(lines.get((part, method, SHARE))).value, note=note)


def _area(lines: ByKey, part: str) -> float:
    """The tag's share of the film."""
    for (other, _, quantity), line in lines.items():
        if (other, quantity) == (part, SHARE):
            return float(line["chance"])
    return float("nan")


def null_section(b: Benchmark) -> Section:
    """Scores of null models, less the chance level."""
    text = tuple(map(arm_text, ("null_purpose", "null_road", "null_values")))
    tables = []
    for arm in ("untrained", "permuted"):
        chosen = (b.arms["arm"] == arm) & (b.arms["output"] != "probability")
        part = b.arms[chosen & (b.arms["quantity"] == ABOVE_CHANCE)]
        metrics = list(dict.fromkeys(part["metric"]))
        lines = {(line["method"], line["metric"]): line for line in part.to_dict("records")}
        rows = []
        for method, _ in ordered((method, False) for method in part["method"]):
            cells = [_bold(lines.get((method, metric))) for metric in metrics]
            rows.append((method_name(method, False), *cells))
        head = (page_text("method"), *map(title, metrics))
        caption = arm_text("less_chance", arm=name_message(arm))
        tables.append(Table(f"null-{arm}", caption, head, tuple(rows)))
    return Section("null-models", (Paragraph(text), *tables), arm_text("null"))


def _bold(line: Line | None) -> Cell:
    if line is not None and line["low"] > 0:
        return Cell(Strong(interval(line)))
    return estimate(line)


def strata_section(b: Benchmark) -> Section:
    """Class specificity, the conjunction, sizes of lesions, real backgrounds."""
    sizes = []
    for name, (low, _) in SIZES.items():
        sizes.append(arm_text("size_from", size=name_message(name), pixels=f"{low:g}"))
    text = (arm_text("specificity_is"), arm_text("size_is", sizes=sizes))
    tables = (_specificity(b), _strata(b), _real(b))
    return Section("strata", (Paragraph(text), *tables), arm_text("strata"))


def _specificity(b: Benchmark) -> Table:
    lines = _lines(b, "main", "class_specificity")
    scores = {method: line for (_, method, name), line in lines.items() if name == SPECIFICITY}
    rows = []
    for method, baseline in _methods(lines):
        line = scores.get(method)
        chance = None if line is None else Estimate(line["chance"])
        rows.append((method_name(method, baseline), estimate(line), Cell(chance)))
    head = (page_text("method"), arm_text("class_specificity"), arm_text("chance_level"))
    return Table("specificity", arm_text("specificity"), head, tuple(rows))


def _strata(b: Benchmark) -> Table:
    metric = CHIEF_METRICS[0]
    lines = _lines(b, "main", metric)
    parts = list(dict.fromkeys(part for part, _, _ in lines))
    rows = []
    for method, baseline in _methods(lines):
        cells = [with_bound(lines.get((part, method, SCORE))) for part in parts]
        rows.append((method_name(method, baseline), *cells))
    others = [title(other) for other in CHIEF_METRICS[1:]]
    caption = arm_text("strata_table", metric=title(metric), others=others)
    head = (page_text("method"), *map(name_message, parts))
    return Table("strata", caption, head, tuple(rows))


def _real(b: Benchmark) -> Table:
    """Scores on real radiographs; empty, and so left out, where there are none."""
    semi = b.arms[b.arms["arm"] == "semi"]
    lines = {(line["method"], line["metric"]): line for line in semi.to_dict("records")}
    kinds = ordered((line["method"], bool(line["baseline"])) for line in lines.values())
    rows = []
    for method, baseline in kinds:
        cells = [with_bound(lines.get((method, metric))) for metric in CHIEF_METRICS]
        rows.append((method_name(method, baseline), *cells))
    head = (page_text("method"), *map(title, CHIEF_METRICS))
    return Table("real", arm_text("real"), head, tuple(rows))


def _lines(b: Benchmark, arm: str, metric: str | None = None) -> dict[tuple[str, str, str], Line]:
    """(part, method, quantity) → line of an arm, of one metric or of the first that has it."""
    chosen: pd.DataFrame = b.arms[b.arms["arm"] == arm]
    if metric is not None:
        chosen = chosen[chosen["metric"] == metric]
    lines: dict[tuple[str, str, str], Line] = {}
    for line in chosen.to_dict("records"):
        lines.setdefault((line["part"], line["method"], line["quantity"]), line)
    return lines


def _methods(lines: ByKey) -> list[MethodKind]:
    """The methods of the lines in the order of tables."""
    named = [line for line in lines.values() if line["method"]]
    return ordered((line["method"], bool(line["baseline"])) for line in named)
