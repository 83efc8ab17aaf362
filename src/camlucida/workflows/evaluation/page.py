"""``evaluation.html``: what was measured, its uncertainty, and what it does not show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from camlucida.core.files import write_bytes
from camlucida.core.messages import Message, Value, chain
from camlucida.core.numbers import number_or_dash
from camlucida.evaluation.maps import summary as tables
from camlucida.evaluation.maps.readers import AGREEMENT, LEVEL
from camlucida.figures.evaluation import curves_figure, ranking_figure, sanity_figure
from camlucida.figures.files import figure_svg, save_figure
from camlucida.metrics.intervals import interval_notes
from camlucida.metrics.sanity_gate import MARGIN, MIN_PATIENTS
from camlucida.report.document import (
    Block,
    Code,
    Details,
    Document,
    Facts,
    Link,
    Notice,
    Paragraph,
    Picture,
    Points,
    Section,
    Subsection,
    Text,
    View,
    phrase,
)
from camlucida.report.writers.html import write_page
from camlucida.workflows.evaluation.limits import MAP, limits
from camlucida.workflows.evaluation.page_tables import (
    difference_table,
    everything_table,
    family_message,
    rank_table,
    reader_table,
    sanity_table,
    score_table,
)
from camlucida.workflows.evaluation.shown_layers import (
    ShownLayers,
    shown_layers_of,
    with_shown_layers,
)
from camlucida.workflows.evaluation.texts import page_message


@dataclass(frozen=True)
class EvaluationAbout:
    """What the page of an evaluation shows beside the tables.

    Attributes:
        model, sha256: name and weights.
        command, versions: of the call.
        forwards: inputs that went through the model.
        seconds: of the whole evaluation.
        notes: remarks on the run, shown above the tables.
        failures: one line for each image that failed.
        cases_rule: how the shown cases were chosen; see
            :class:`~camlucida.evaluation.maps.summary.ChosenMaps`.
        level, replicates: of the intervals.
        keyed: whether images have keyed names.
        shown_layers: as of :class:`~camlucida.evaluation.maps.rows.Tables`.
    """

    model: str
    sha256: str | None
    command: str
    versions: Mapping[str, str]
    forwards: int
    seconds: float
    notes: Sequence[Message]
    failures: Sequence[str]
    cases_rule: Message
    level: float
    replicates: int
    keyed: bool = False
    shown_layers: ShownLayers = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationTables:
    """The tables of an evaluation.

    Attributes:
        rows, curves, sanity: measured; the last two may be empty.
        summary, differences: made of ``rows`` by :mod:`camlucida.evaluation.maps.summary`.
        readers: of :func:`~camlucida.evaluation.maps.readers.reader_summary`; empty where the
            ground truth does not tell readers apart.
    """

    rows: pd.DataFrame
    curves: pd.DataFrame
    sanity: pd.DataFrame
    summary: pd.DataFrame
    differences: pd.DataFrame
    readers: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class Example:
    """A chosen map.

    Attributes:
        chosen: by the rule of the page.
        picture: its PNG, relative to the page's folder.
        view: file of its film and map for the viewer, relative to it too; "" without one.
    """

    chosen: tables.ChosenMap
    picture: str
    view: str = ""


def write_evaluation_page(
    out: Path, evaluation: EvaluationTables, about: EvaluationAbout, examples: Sequence[Example]
) -> Path:
    """Write ``out/evaluation.html``, and ``evaluation_{ranking,curves,sanity}.png`` and ``.svg``.

    Args:
        out: made if missing; files of the same name are replaced.
        evaluation: its tables.
        about: what they do not hold.
        examples: chosen maps.

    Returns:
        The page's path.
    """
    gate = tables.gate_table(evaluation.sanity)
    _write_figures(out, evaluation, gate, about)
    document = evaluation_document(out, evaluation, gate, about, examples)
    return write_page(document, out / "evaluation.html")


def evaluation_document(
    out: Path,
    evaluation: EvaluationTables,
    gate: pd.DataFrame,
    about: EvaluationAbout,
    examples: Sequence[Example],
) -> Document:
    """The page as a document.

    Args:
        out: folder of the figures.
        evaluation, about, examples: as for :func:`write_evaluation_page`.
        gate: of the sanity check.
    """
    rows, differences = evaluation.rows, evaluation.differences
    summary, ranks, gate, readers = (
        with_shown_layers(table, about.shown_layers)
        for table in (
            evaluation.summary,
            tables.ranking(evaluation.summary),
            gate,
            evaluation.readers,
        )
    )
    limit_messages = limits(rows, summary, differences, ranks, gate, len(about.failures))
    count = len(about.failures)
    sections = (
        Section("failures", (Points(tuple(about.failures)),), page_message("failed", count=count)),
        _section("scores", _scores(out, summary, about)),
        _section("readers", _readers(readers)),
        _section("differences", _differences(summary, differences)),
        _section("ranks", _ranks(ranks)),
        _section("curves", _curves(out)),
        _section("sanity", _sanity(out, gate)),
        _section("cases", _cases(about, examples)),
        _section("limits", [Points(tuple(limit_messages))]),
    )
    # The section on readers has the same numbers.
    shown = [note for note in about.notes if note.code != f"readers.{AGREEMENT}"]
    notes = [Notice((note,)) for note in shown]
    return Document(
        page_message("title", model=about.model),
        sections,
        synthetic=bool(rows["synthetic"].any()),
        intro=(_facts(rows, about), *notes),
        keyed=about.keyed,
    )


def _section(name: str, blocks: Iterable[Block]) -> Section:
    return Section(name, tuple(blocks), page_message(name))


def _facts(rows: pd.DataFrame, about: EvaluationAbout) -> Facts:
    """What was run, in counts and names."""
    is_baseline = dict(zip(rows["method"], rows["baseline"].astype(bool)))
    methods = [name for name, baseline in is_baseline.items() if not baseline]
    baselines = [name for name, baseline in is_baseline.items() if baseline]
    metrics = [tables.title(name) for name in dict.fromkeys(rows["metric"])]
    layers = shown_layers_of(rows[~rows["baseline"].astype(bool)], about.shown_layers)
    labels = list(dict.fromkeys(rows["label"]))
    images, patients = rows["image"].nunique(), rows["patient"].nunique()
    versions = [f"{name} {version}" for name, version in about.versions.items()]
    weights = Code(f"sha256 {about.sha256}") if about.sha256 else "–"
    named_methods = page_message("methods_at", methods=methods, layers=layers) if methods else "–"
    command = [(page_message("command"), Code(about.command))] if about.command else []
    return Facts(
        (
            (page_message("model"), about.model),
            (page_message("weights"), weights),
            (page_message("images"), page_message("images_of", images=images, patients=patients)),
            (page_message("labels"), _listed(labels)),
            (page_message("methods"), named_methods),
            (page_message("baselines"), _listed(baselines, page_message("no_baselines"))),
            (page_message("metrics"), _listed(metrics)),
            (page_message("cost"), _cost(rows, about)),
            *command,
            (page_message("versions"), ", ".join(versions)),
        )
    )


def _listed(items: Sequence[str | Message], without: Text = "–") -> Text:
    """The items with commas; ``without`` where there are none."""
    return page_message("labels_of", labels=items) if items else without


def _cost(rows: pd.DataFrame, about: EvaluationAbout) -> Message:
    maps = len(rows.drop_duplicates(MAP))
    return page_message(
        "cost_of",
        forwards=f"{about.forwards:,}",
        of_map=about.forwards / max(maps, 1),
        maps=f"{maps:,}",
        seconds=f"{about.seconds:,.0f}",
    )


def _scores(out: Path, summary: pd.DataFrame, about: EvaluationAbout) -> Iterator[Block]:
    columns = tables.headline(summary)
    yield Paragraph(
        (
            page_message("means", level=100 * about.level, replicates=about.replicates),
            *interval_notes(summary["interval_method"]),
            page_message("ceiling_note"),
            page_message("baseline_note"),
        ),
        quiet=True,
    )
    yield score_table("score_table", tables.over_all_labels(summary), columns)
    yield from _picture(out, "ranking")
    labels = [label for label in dict.fromkeys(summary["label"]) if label != tables.ALL_LABELS]
    # With a single label its table is the one above.
    for position, label in enumerate(labels if len(labels) > 1 else ()):
        part = summary[summary["label"] == label]
        table = score_table(f"score_table_{position}", part, columns)
        yield Details(page_message("label_alone", label=label), (table,))
    all_means = tables.over_all_labels(summary)
    table = everything_table(all_means)
    yield Details(page_message("every_metric", count=len(all_means)), (table,))


def _readers(readers: pd.DataFrame) -> Iterator[Block]:
    if len(readers):
        yield Paragraph((page_message("readers_note", level=100 * LEVEL),), quiet=True)
        yield reader_table(readers)


def _differences(summary: pd.DataFrame, differences: pd.DataFrame) -> Iterator[Block]:
    if differences.empty:
        yield Paragraph((page_message("nothing_to_compare"),))
        return
    yield Paragraph(
        (
            page_message("paired"),
            page_message("p_values"),
            page_message("better_note", level=tables.SIGNIFICANT),
        ),
        quiet=True,
    )
    columns = tables.headline(summary)
    pairs = list(zip(differences["metric"], differences["output"]))
    shown = pd.Series([pair in columns for pair in pairs], index=differences.index)
    parts = {
        "between_methods": shown & (differences["against"] == "method"),
        "against_baselines": shown & (differences["against"] == "baseline"),
        "other_metrics": ~shown,
    }
    for position, (name, chosen) in enumerate(parts.items()):
        part = differences[chosen]
        table = difference_table(f"differences_{position}", part)
        if len(part):
            summary_line = page_message(name, count=len(part))
            yield Details(summary_line, (table,), open=position == 0)


def _ranks(ranks: pd.DataFrame) -> Iterator[Block]:
    if ranks.empty:
        yield Paragraph((page_message("no_ranking"),))
        return
    link = Link("#limits", page_message("limits_link"))
    see = phrase(page_message("rank_limits"), link, page_message("full_stop"))
    yield Paragraph((page_message("rank_note"), see), quiet=True)
    yield Paragraph((page_message("entering", families=_entering(ranks)),), quiet=True)
    yield rank_table(ranks)


def _entering(ranks: pd.DataFrame) -> Message:
    """The metrics that rank, family by family."""
    families: dict[str, dict[Message, None]] = {}
    for line in ranks.drop_duplicates(["family", "metric", "output"]).to_dict("records"):
        titles = families.setdefault(line["family"], {})
        titles[tables.title(line["metric"], line["output"])] = None
    parts = [
        page_message("entering_family", family=family_message(family), metrics=list(titles))
        for family, titles in families.items()
    ]
    return chain("words.clause", parts)


def _curves(out: Path) -> Iterator[Block]:
    blocks: list[Block] = list(_picture(out, "curves"))
    yield from blocks or [Paragraph((page_message("no_curves"),))]


def _sanity(out: Path, gate: pd.DataFrame) -> Iterator[Block]:
    if gate.empty:
        yield Paragraph((page_message("no_sanity"),))
        return
    yield Paragraph(
        (
            page_message("sanity_blocks"),
            page_message("sanity_null", needed=MIN_PATIENTS),
            page_message("sanity_verdicts", margin=MARGIN),
            page_message("sanity_dead"),
        ),
        quiet=True,
    )
    yield sanity_table("sanity_table", gate[gate["decisive"].astype(bool)])
    yield from _picture(out, "sanity")
    yield Details(page_message("every_block"), (sanity_table("sanity_blocks", gate),))


def _cases(about: EvaluationAbout, examples: Sequence[Example]) -> Iterator[Block]:
    yield Paragraph((about.cases_rule,))
    for example in examples:
        chosen = example.chosen
        names = {"image": chosen.image, "label": chosen.label, "method": chosen.method}
        alt = page_message("case_alt", **names)
        note = f"{chosen.label} · {chosen.method}"
        views = (View(example.view, chosen.image, note),) if example.view else ()
        picture = Picture.of_file(example.picture, alt=alt, views=views)
        blocks = (Paragraph((_case_score(chosen),)), picture)
        yield Subsection(page_message(f"case_{chosen.which}", **names), blocks)


def _case_score(chosen: tables.ChosenMap) -> Message:
    values: dict[str, Value] = {
        "metric": tables.title(chosen.metric, chosen.output),
        "value": number_or_dash(chosen.value),
        "chance": number_or_dash(chosen.chance),
    }
    bounded = chosen.ceiling == chosen.ceiling and chosen.ceiling
    if not bounded:
        return page_message("case_score", **values)
    ceiling = number_or_dash(chosen.ceiling)
    over = number_or_dash(chosen.value / chosen.ceiling)
    return page_message("case_over_ceiling", **values, ceiling=ceiling, over=over)


def _picture(out: Path, name: str) -> Iterator[Picture]:
    file = f"evaluation_{name}.png"
    if (out / file).is_file():
        yield Picture.of_file(file, page_message(f"{name}_figure"), more=("svg",))


def _write_figures(
    out: Path, evaluation: EvaluationTables, gate: pd.DataFrame, about: EvaluationAbout
) -> None:
    """PNG and SVG of each figure whose numbers were measured."""
    synthetic = bool(evaluation.rows["synthetic"].any())
    figures = {}
    if tables.headline(evaluation.summary):
        figures["ranking"] = ranking_figure(evaluation.summary)
    if len(evaluation.curves):
        means = tables.curve_means(evaluation.curves, about.replicates, about.level)
        figures["curves"] = curves_figure(means, synthetic)
    if len(gate):
        figures["sanity"] = sanity_figure(gate, synthetic)
    for name, figure in figures.items():
        write_bytes(out / f"evaluation_{name}.svg", figure_svg(figure))
        save_figure(figure, out / f"evaluation_{name}", ["png"])
