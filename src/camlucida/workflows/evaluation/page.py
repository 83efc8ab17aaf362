"""``evaluation.html``: what was measured, its uncertainty, and what it does not show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from camlucida.core.files import write_bytes
from camlucida.core.messages import Message
from camlucida.core.numbers import number_or_dash
from camlucida.evaluation.maps import summary as tables
from camlucida.figures.evaluation import curves_figure, ranking_figure, sanity_figure
from camlucida.figures.files import figure_svg
from camlucida.figures.panels import figure_png
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
    phrase,
)
from camlucida.report.writers.html import write_page
from camlucida.workflows.evaluation.limits import MAP, limits
from camlucida.workflows.evaluation.page_tables import (
    difference_table,
    everything_table,
    rank_table,
    sanity_table,
    score_table,
)


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


@dataclass(frozen=True)
class EvaluationTables:
    """The tables of an evaluation.

    Attributes:
        rows, curves, sanity: measured; the last two may be empty.
        summary, differences: made of ``rows`` by :mod:`camlucida.evaluation.maps.summary`.
    """

    rows: pd.DataFrame
    curves: pd.DataFrame
    sanity: pd.DataFrame
    summary: pd.DataFrame
    differences: pd.DataFrame


@dataclass(frozen=True)
class Example:
    """A chosen map with its picture: a PNG, by its path relative to the page."""

    chosen: tables.ChosenMap
    picture: str


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
    rows, summary, differences = evaluation.rows, evaluation.summary, evaluation.differences
    ranks = tables.ranking(summary)
    limit_messages = limits(rows, summary, differences, ranks, gate, len(about.failures))
    sections = (
        Section("failures", (Points(tuple(about.failures)),), f"Failed: {len(about.failures)}"),
        Section("scores", tuple(_scores(out, summary, about)), "Scores"),
        Section("differences", tuple(_differences(summary, differences)), "Differences"),
        Section("ranks", tuple(_ranks(ranks)), "Ranks"),
        Section("curves", tuple(_curves(out)), "Curves"),
        Section(
            "sanity",
            tuple(_sanity(out, gate)),
            "Sanity: do the maps depend on what the model learnt?",
        ),
        Section("cases", tuple(_cases(about, examples)), "Best, median, worst"),
        Section("limits", (Points(tuple(limit_messages)),), "Limits"),
    )
    notes = [Notice((note,)) for note in about.notes]
    return Document(
        f"{about.model}: evaluation of its explanations",
        sections,
        synthetic=bool(rows["synthetic"].any()),
        intro=(_facts(rows, about), *notes),
    )


def _facts(rows: pd.DataFrame, about: EvaluationAbout) -> Facts:
    """What was run, in counts and names."""
    is_baseline = dict(zip(rows["method"], rows["baseline"].astype(bool)))
    methods = [name for name, baseline in is_baseline.items() if not baseline]
    baselines = [name for name, baseline in is_baseline.items() if baseline]
    metrics = [tables.title(name) for name in dict.fromkeys(rows["metric"])]
    layers, labels = (list(dict.fromkeys(rows[column])) for column in ("layer", "label"))
    patients, maps = rows["patient"].nunique(), len(rows.drop_duplicates(MAP))
    noun = "patient" if patients == 1 else "patients"
    a_map = about.forwards / max(maps, 1)
    cost = (
        f"{about.forwards:,} forward passes of one image, {a_map:.1f} a map ({maps:,} maps), "
        f"in {about.seconds:,.0f} s"
    )
    versions = [f"{name} {version}" for name, version in about.versions.items()]
    weights = Code(f"sha256 {about.sha256}") if about.sha256 else "–"
    return Facts(
        (
            ("Model", about.model),
            ("Weights", weights),
            ("Images", f"{rows['image'].nunique()} of {patients} {noun}"),
            ("Labels", ", ".join(labels)),
            ("Methods", f"{', '.join(methods)} at {', '.join(layers)}"),
            ("Baselines", ", ".join(baselines) or "none"),
            ("Metrics", ", ".join(metrics)),
            ("Cost", cost),
            ("Command", Code(about.command)),
            ("Versions", ", ".join(versions)),
        )
    )


def _scores(out: Path, summary: pd.DataFrame, about: EvaluationAbout) -> Iterator[Block]:
    columns = tables.headline(summary)
    yield Paragraph(
        (
            f"Means over images and labels, with {100 * about.level:g} % confidence intervals in "
            f"brackets, by patient. The bootstrap draws {about.replicates} resamples.",
            *interval_notes(summary["interval_method"]),
            "The ceiling is the score that the ground truth itself reaches when it is averaged "
            "over the cells of the map's grid. A low score ÷ ceiling therefore indicates a wrong "
            "map rather than a coarse grid.",
            "Baselines are maps computed without the model; “oracle” is the ground truth at the "
            "resolution of the grid. The average mask, the mean annotation of the other patients, "
            "is the reference: a map that scores no higher shows no more than where the finding "
            "usually is.",
        ),
        quiet=True,
    )
    yield score_table("score_table", tables.over_all_labels(summary), columns)
    yield from _picture(out, "ranking", "Mean score of each method with its confidence interval.")
    labels = [label for label in dict.fromkeys(summary["label"]) if label != tables.ALL_LABELS]
    # With a single label its table is the one above.
    for position, label in enumerate(labels if len(labels) > 1 else ()):
        part = summary[summary["label"] == label]
        table = score_table(f"score_table_{position}", part, columns)
        yield Details(f"{label} alone", (table,))
    all_means = tables.over_all_labels(summary)
    table = everything_table(all_means)
    yield Details(f"Every metric ({len(all_means)} means)", (table,))


def _differences(summary: pd.DataFrame, differences: pd.DataFrame) -> Iterator[Block]:
    if differences.empty:
        yield Paragraph(("Nothing to compare: only one method and no baseline were evaluated.",))
        return
    yield Paragraph(
        (
            "Differences are paired by image, label and layer.",
            "p-values are from a two-sided sign-flip test over patients. Holm's correction is "
            "applied within each family of metrics, separately for the comparisons between "
            "methods and those with baselines.",
            "The better of the two is named where the corrected p-value is below "
            f"{tables.SIGNIFICANT:g}.",
        ),
        quiet=True,
    )
    columns = tables.headline(summary)
    pairs = list(zip(differences["metric"], differences["output"]))
    shown = pd.Series([pair in columns for pair in pairs], index=differences.index)
    parts = {
        "Between methods": shown & (differences["against"] == "method"),
        "Against baselines": shown & (differences["against"] == "baseline"),
        "By the other metrics": ~shown,
    }
    for position, (name, chosen) in enumerate(parts.items()):
        part = differences[chosen]
        table = difference_table(f"differences_{position}", part)
        if len(part):
            yield Details(f"{name} ({len(part)})", (table,), open=position == 0)


def _ranks(ranks: pd.DataFrame) -> Iterator[Block]:
    if ranks.empty:
        yield Paragraph(("No ranking: none of these metrics has a better direction.",))
        return
    explained = (
        "Mean rank over the metrics of each family within a layer, baselines included; rank 1 is "
        "best. A dash marks a method for which a metric of the family was not measured."
    )
    link = phrase("Metrics can rank methods differently: see ", Link("#limits", "limits"), ".")
    yield Paragraph((explained, link), quiet=True)
    yield Paragraph((f"Metrics that enter: {_entering(ranks)}.",), quiet=True)
    yield rank_table(ranks)


def _entering(ranks: pd.DataFrame) -> str:
    """The metrics that rank, family by family."""
    families: dict[str, dict[str, None]] = {}
    for line in ranks.drop_duplicates(["family", "metric", "output"]).to_dict("records"):
        titles = families.setdefault(line["family"], {})
        titles[tables.title(line["metric"], line["output"])] = None
    parts = [f"{family}: {', '.join(titles)}" for family, titles in families.items()]
    return "; ".join(parts)


def _curves(out: Path) -> Iterator[Block]:
    blocks: list[Block] = list(
        _picture(out, "curves", "Model output as pixels or cells are removed or restored by rank.")
    )
    yield from blocks or [Paragraph(("No perturbation curve was measured.",))]


def _sanity(out: Path, gate: pd.DataFrame) -> Iterator[Block]:
    if gate.empty:
        yield Paragraph(("Parameter randomisation was not run.",))
        return
    yield Paragraph(
        (
            "The blocks of the model are randomised one after another, from the output layer "
            "to the input.",
            "The absolute similarity to the maps of the trained model is compared with that of "
            "maps of different images, for each label (labels of fewer than "
            f"{MIN_PATIENTS} patients are pooled).",
            "Depends on the weights: the upper 95% bound of the difference is within the margin, "
            f"{MARGIN:.0%} of the way from different images to identical maps. Unchanged by "
            "randomisation: the lower bound is above the margin. Unclear: too few patients to "
            "say; this is no evidence against a method.",
            "Constant maps are excluded from the similarity; their share is given as “dead”.",
        ),
        quiet=True,
    )
    yield sanity_table("sanity_table", gate[gate["decisive"].astype(bool)])
    yield from _picture(
        out, "sanity", "Similarity to the maps of the trained model as blocks are randomised."
    )
    yield Details("Every block", (sanity_table("sanity_blocks", gate),))


def _cases(about: EvaluationAbout, examples: Sequence[Example]) -> Iterator[Block]:
    yield Paragraph((about.cases_rule,))
    for example in examples:
        chosen = example.chosen
        numbers = f"{number_or_dash(chosen.value)}; chance level {number_or_dash(chosen.chance)}"
        numbers += f"; ceiling {number_or_dash(chosen.ceiling)}"
        if chosen.ceiling == chosen.ceiling and chosen.ceiling:
            numbers += f"; ÷ ceiling {number_or_dash(chosen.value / chosen.ceiling)}"
        alt = f"{chosen.image}: {chosen.method} for {chosen.label}, the ground truth outlined"
        title = f"{chosen.which.capitalize()}: {chosen.image}, {chosen.label}, {chosen.method}"
        picture = Picture.of_file(example.picture, alt=alt)
        yield Subsection(title, (Paragraph((f"{numbers}.",)), picture))


def _picture(out: Path, name: str, caption: str) -> Iterator[Picture]:
    file = f"evaluation_{name}.png"
    if (out / file).is_file():
        yield Picture.of_file(file, caption, more=("svg",))


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
        write_bytes(out / f"evaluation_{name}.png", figure_png(figure))
