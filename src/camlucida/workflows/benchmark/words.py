"""The page of a run as a :class:`~camlucida.workflows.benchmark.document.Document`: every number is of that run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import pandas as pd

from camlucida.attribution.methods import METHODS
from camlucida.evaluation.maps.summary import title
from camlucida.workflows.benchmark.document import (
    Cells,
    Document,
    Line,
    Section,
    Table,
    interval,
    milliseconds,
    name,
    names,
    percent,
    value,
)
from camlucida.workflows.benchmark.findings import findings
from camlucida.workflows.benchmark.leaderboard import SHOWN
from camlucida.workflows.benchmark.meta import BLEND, BLUR, SHIFT
from camlucida.workflows.benchmark.prose import DESIGN, HOW, NOTICE, OPTIONS, RUN, WHAT
from camlucida.workflows.benchmark.result import Benchmark
from camlucida.workflows.benchmark.tables import BAR, CHIEF, SIZES, TAG, TWICE, verified


def document(b: Benchmark) -> Document:
    """The whole page."""
    sections = [
        Section("what", "What it is", paragraphs=WHAT, points=DESIGN),
        Section(
            "run",
            "Run it, and add your method",
            paragraphs=(HOW,),
            code=RUN,
            tables=(Table(("option", "meaning"), OPTIONS),),
        ),
        _this_run(b),
        Section("found", "What was found", points=findings(b)),
        _board(b),
        _metrics(b),
        _proof(b),
        _tag(b),
        _nulls(b),
        _parts(b),
        Section("limits", "Limits", points=_limits(b)),
    ]
    return Document("The radiograph benchmark", NOTICE, sections)


def _this_run(b: Benchmark) -> Section:
    x, size = b.about, b.about["size"]
    rows = [
        ("command", f"`{x['command']}`{' (quick)' if x['quick'] else ''}"),
        (
            "time",
            f"{x['seconds'] / 60:.1f} minutes, {x['threads']} torch thread{'s' * (x['threads'] > 1)}, {x['device']}",
        ),
        (
            "films of each model",
            f"main {size['main']}, shortcut {size['shortcut']}, null {size['null']}; metrics tested on {size['meta']}",
        ),
        (
            "maps scored",
            f"{len(b.rows.drop_duplicates(['arm', 'model', 'image', 'label', 'method'])):,}, in {len(b.rows):,} rows",
        ),
        ("models", names([f"{m['name']} (`{m['sha256'][:12]}`)" for m in x["models"]])),
        (
            "films drawn by",
            f"`phantom.trial`, version `{x['generator_version'][:12]}`, seed {x['seed']}",
        ),
        ("layer", names(list(dict.fromkeys(b.rows["layer"])))),
        ("versions", ", ".join(f"{key} {text}" for key, text in x["versions"].items())),
    ]
    if x["own_methods"]:
        rows.append(("methods of your own", names([f"`{item}`" for item in x["own_methods"]])))
    notes = [*x["notes"], *(f"failed, and in no number: {line}" for line in x["failures"])]
    return Section("this", "This run", points=notes, tables=(Table(("", ""), rows),))


def _board(b: Benchmark) -> Section:
    shown = [(metric, output) for metric, output in b.metrics if metric in SHOWN]
    families = [column for column in map(str, b.board.columns) if column.startswith("rank_")]
    head = (
        "",
        "method",
        "mean rank",
        *(f.removeprefix("rank_") for f in families),
        *(title(m, output) for m, output in shown),
        "ms a map",
    )
    rows = []
    for line in b.board.to_dict("records"):
        cells = [interval(line, 3, f"{m}:estimate", f"{m}:low", f"{m}:high") for m, _ in shown]
        cells = [
            f"{cell} · {value(line[f'{m}:over_ceiling'], 2)} of ceiling"
            if pd.notna(line[f"{m}:over_ceiling"])
            else cell
            for cell, (m, _) in zip(cells, shown)
        ]
        place = f"{line['place']:.0f}" if pd.notna(line["place"]) else ""
        label = name(line["method"], line["baseline"]) + (
            " †" if line["class_specific"] is False and not line["baseline"] else ""
        )
        ranks = [value(line[f], 3) for f in families]
        cost = "" if line["baseline"] else milliseconds(line["seconds"])
        rows.append((place, label, value(line["rank"], 3), *ranks, *cells, cost))
    ranked = names([title(m, output) for m, output in b.metrics])
    words = (
        "Means over all main models' verified maps, all labels; in brackets the 95 % interval, patients resampled. A rank is "
        "over methods and baselines within a metric, then the mean over each family's metrics, then over families. Ranking: "
        f"{ranked or 'no metric'}. “Of ceiling”: score ÷ that of the truth averaged over the grid's cells. † one map for all "
        "labels. The cost is one image alone."
    )
    agreement = Table(
        ("among", "rankings", "Kendall's W", "put first by some"),
        [
            (line["among"], str(line["rankings"]), value(line["kendall_w"], 2), line["first"])
            for line in b.agreement.to_dict("records")
        ],
        "Do the models agree on the order of the methods (baselines left out)?",
    )
    figure = (
        "benchmark_board",
        "Each method's mean score with interval, chance level and ceiling, by the metrics that passed",
    )
    return Section(
        "board", "Leaderboard", (words,), figure=figure, tables=(Table(head, rows), agreement)
    )


def _metrics(b: Benchmark) -> Section:
    words = (
        f"Scores of maps whose merit is known, on {int(b.meta['maps'].max()) if len(b.meta) else 0} maps of the main models' "
        "films. A metric is kept if its mean never gets worse from one α to the next, gets better from 0 to 1, and is not "
        "improved by blurring the oracle beyond the interval of the paired gain. With few films a mean can fall by chance: the "
        "last column says whether the fall is beyond its own interval."
    )
    rungs = [*BLEND, *SHIFT, *BLUR]
    head = (
        "metric",
        "better",
        *(rung.replace("blend", "α") for rung in rungs),
        "gain by blur",
        "kept",
        "why not",
    )
    rows = [
        (
            line["title"],
            line["direction"],
            *(value(line[rung], 3) for rung in rungs),
            interval(line, 2, "blur_gain", "blur_gain_low", "blur_gain_high"),
            "yes" if line["kept"] else "NO",
            line["why"],
        )
        for line in b.meta.to_dict("records")
    ]
    figure = (
        "benchmark_metrics",
        "Score of each metric on maps of rising merit, shifted and blurred oracles",
    )
    return Section(
        "metrics", "The metrics, tested", (words,), figure=figure, tables=(Table(head, rows),)
    )


def _proof(b: Benchmark) -> Section:
    rules = b.about["rules"]
    words = (
        f"A film passes for a label if the model says it (p > {rules['says']:g}), its logit falls when the evidence is taken "
        f"off, and by at least {rules['ratio']:g} × the change that distractors of equal area and contrast make on the same "
        "bare film."
    )
    rows = [
        (
            *(line["arm"], line["model"], line["label"], str(line["films"]), percent(line["said"])),
            *(value(line["fall"]), value(line["distractor"]), percent(line["pass_rate"])),
        )
        for line in verified(b.uses).to_dict("records")
    ]
    head = (
        "arm",
        "model",
        "label",
        "films",
        "says it",
        "fall of the logit",
        "by distractors (absolute)",
        "passed",
    )
    return Section(
        "proof", "Proof that the evidence is used", (words,), tables=(Table(head, rows),)
    )


def _tag(b: Benchmark) -> Section:
    words = (
        f"A false alarm is a map with more than {TWICE:g} × as much heat on the tag as its area, in models for which the tag "
        "means nothing (main arm). In the shortcut arms the tag told the label nodule in training; how much each model owes to "
        "it is measured without any map, and heat on it should follow. All films of the shortcut arms bear the "
        "tag; those are counted on which the model says nodule, with and without one."
    )
    decoy = _pivot(
        b,
        "decoy",
        {"share of heat": interval, "false alarms": lambda line: percent(line["estimate"])},
        TAG,
    )
    bar = _pivot(b, "distractors", {"share of heat": interval}, BAR)
    parts = sorted(
        {part for part in b.arms.loc[b.arms["arm"] == "shortcut", "part"] if part.startswith("ρ")}
    )
    lines = _index(b, "shortcut")
    methods = _ordered(
        (line["method"], line["baseline"]) for line in lines.values() if line["method"]
    )
    rows = [
        (
            "fall of the logit",
            *(_cell(lines.get((part, "", "fall of the logit without the tag"))) for part in parts),
            "",
            "",
        )
    ]
    rows += [
        (
            name(method, baseline),
            *(
                _flagged(
                    lines.get((p, method, "share of heat")), lines.get((p, method, "false alarms"))
                )
                for p in parts
            ),
            *(
                _cell(lines.get((part, method, "Spearman with the fall")))
                for part in ("all", "within models")
            ),
        )
        for method, baseline in methods
    ]
    chances = {
        part: next(
            (
                line["chance"]
                for (at, m, q), line in lines.items()
                if at == part and q == "share of heat"
            ),
            None,
        )
        for part in parts
    }
    rows.append(("the tag's area", *(value(chances[part]) for part in parts), "", ""))
    tables = [
        Table(
            ("method", "share of heat on the tag", "false alarms"),
            [(*cells[:3],) for cells in decoy],
            "Decoy, main models:",
        ),
        Table(
            ("method", "share of heat on the distractors"),
            [(*cells[:2],) for cells in bar],
            "Distractors, main models:",
        ),
    ]
    if parts:
        note = (
            f"Shortcut arms, label nodule: share of heat on the tag, and of maps with more than {TWICE:g} × its area. "
            "Spearman: heat on the tag against the fall of the logit, over all films and over films within each model."
        )
        tables.append(
            Table(("method", *parts, "Spearman, all", "Spearman, within models"), rows, note)
        )
    figure = (
        ("benchmark_shortcut", "Fall of the logit without the tag, and share of heat on it, by arm")
        if parts
        else None
    )
    return Section(
        "tag", "Decoy, distractors and shortcuts", (words,), figure=figure, tables=tables
    )


def _nulls(b: Benchmark) -> Section:
    words = (
        "These models know nothing of the lesions, so a localisation score above chance is the map's doing (edges, "
        "brightness), not the model's. ROAD may stay above chance: a faithful map of an untrained model is still faithful to "
        "it. Mean less chance, every label of every film; bold where the interval lies above 0."
    )
    tables = []
    for arm in ("untrained", "permuted"):
        part = b.arms[(b.arms["arm"] == arm) & (b.arms["output"] != "probability")]
        metrics = list(dict.fromkeys(part["metric"]))
        lines = {(line["method"], line["metric"]): line for line in part.to_dict("records")}
        rows = [
            (name(method, False), *(_bold(lines.get((method, metric))) for metric in metrics))
            for method, _ in _ordered((method, False) for method in part["method"])
        ]
        if rows:
            tables.append(
                Table(
                    ("method", *(title(metric) for metric in metrics)), rows, f"{arm.capitalize()}:"
                )
            )
    return Section("nulls", "Null models", (words,), tables=tables)


def _parts(b: Benchmark) -> Section:
    words = (
        "Class specificity: AP on the own evidence less AP on the other lesion's, films with both; a method with one map for "
        "all labels gets what the areas give. Sizes: radius of the label's largest lesion, pixels of 256: "
        f"{', '.join(f'{key} from {low:g}' for key, (low, _) in SIZES.items())}. In brackets intervals; “of ceiling” "
        "as above."
    )
    lines = _index(b, "main")
    spec = {m: lines[part, m, "own − other"] for (part, m, q) in lines if q == "own − other"}
    methods = _ordered(
        (line["method"], line["baseline"]) for line in lines.values() if line["method"]
    )
    head = ("method", "class specificity", "its chance")
    rows: list[Cells] = [
        (name(m, base), _cell(spec.get(m)), value(spec[m]["chance"] if m in spec else None))
        for m, base in methods
    ]
    tables = [Table(head, rows, "Films with both lesions:")]
    part = b.arms[
        (b.arms["arm"] == "main") & (b.arms["metric"] == CHIEF[0]) & (b.arms["quantity"] == "score")
    ]
    groups = list(dict.fromkeys(part["part"]))
    found = {(line["method"], line["part"]): line for line in part.to_dict("records")}
    rows = [
        (name(m, base), *(_of_ceiling(found.get((m, group))) for group in groups))
        for m, base in methods
    ]
    note = f"{title(CHIEF[0])}; {names([title(metric) for metric in CHIEF[1:]])} are in `arms.csv`:"
    tables.append(Table(("method", *groups), rows, note))
    semi = b.arms[b.arms["arm"] == "semi"]
    if len(semi):
        found = {(line["method"], line["metric"]): line for line in semi.to_dict("records")}
        kinds = _ordered((line["method"], line["baseline"]) for line in found.values())
        rows = [
            (name(m, base), *(_of_ceiling(found.get((m, metric))) for metric in CHIEF))
            for m, base in kinds
        ]
        tables.append(
            Table(
                ("method", *(title(metric) for metric in CHIEF)),
                rows,
                "Lesions on real radiographs, verified pairs:",
            )
        )
    return Section(
        "parts", "Two labels, the conjunction, sizes, real backgrounds", (words,), tables=tables
    )


def _limits(b: Benchmark) -> list[str]:
    x = b.about
    found = [
        "Lesions are solid balls and rings on healthy phantoms: easy, sharp, of one energy, without scatter or disease around "
        "them. A method that fails here has no excuse; one that succeeds here may fail on films.",
        "The models are small (under 0.1 million weights), and only their last layer is explained: a 16 × 16 grid whose cells "
        "see most of the film, behind global average pooling and one linear layer. Methods that differ behind other heads "
        "coincide here; earlier layers and other grids would score otherwise.",
        "Truth is where the film changes. A model may use a part of it, or the lesion's surroundings: verified use says that "
        "the evidence matters, not which of its pixels.",
        "The random map of the ladder is smooth, and the oracle is the truth on the grid: a metric that passes orders these "
        "maps rightly, which is needed, not enough. With more films "
        "and narrower intervals a metric that passes may fail.",
        "Ranks weigh families alike; other weights give other orders. Near-duplicate metrics of one family weigh more within it.",
        "Intervals are of means over films, not corrected for the number of comparisons; models are few (seeds and "
        "architectures are not resampled).",
        "On real radiographs the display curve and the lungs are not known: pasted lesions are plausible, not physical, and "
        "the models never saw such films."
        if x["real_films"]
        else "The semi-synthetic arm was not run: no real radiographs were given (`--films`).",
    ]
    return found + (
        [f"Not all models of the benchmark are in this copy: {'; '.join(x['notes'])}."]
        if x["notes"]
        else []
    )


def _index(b: Benchmark, arm: str) -> dict[tuple[str, str, str], Line]:
    """(part, method, quantity) → line of the arm, of the first metric that has it."""
    found: dict[tuple[str, str, str], Line] = {}
    for line in b.arms[b.arms["arm"] == arm].to_dict("records"):
        found.setdefault((line["part"], line["method"], line["quantity"]), line)
    return found


def _pivot(
    b: Benchmark, arm: str, quantities: Mapping[str, Callable[[Line], str]], metric: str
) -> Iterator[tuple[str, ...]]:
    """A row a method: its name, and each quantity."""
    lines = _index(b, arm)
    for method, baseline in _ordered((line["method"], line["baseline"]) for line in lines.values()):
        cells = [lines.get(("all", method, quantity)) for quantity in quantities]
        shown = [
            write(cell) if cell is not None else "–"
            for cell, write in zip(cells, quantities.values())
        ]
        yield name(method, baseline), *shown


def _cell(line: Line | None) -> str:
    return "–" if line is None else interval(line)


def _flagged(share: Line | None, flagged: Line | None) -> str:
    return _cell(share) + (f" · {percent(flagged['estimate'])}" if flagged is not None else "")


def _ordered(kinds: Iterable[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """(method, baseline), each once: methods in the registry's order, those of the user's own, baselines."""
    known = list(METHODS)
    place = {name: k for k, name in enumerate(known)}
    return sorted(
        dict.fromkeys(kinds),
        key=lambda kind: (kind[1], place.get(kind[0], len(known)) if not kind[1] else 0),
    )


def _bold(line: Line | None) -> str:
    return "–" if line is None else f"**{interval(line)}**" if line["low"] > 0 else interval(line)


def _of_ceiling(line: Line | None) -> str:
    if line is None:
        return "–"
    return interval(line) + (
        f" · {value(line['over_ceiling'], 2)} of ceiling" if pd.notna(line["over_ceiling"]) else ""
    )
