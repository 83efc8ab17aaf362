"""The texts of the page that no run changes: the design of the benchmark, and how to run it."""

from __future__ import annotations

from camlucida.core.messages import Message, declare
from camlucida.report.document import (
    Block,
    Code,
    Listing,
    Paragraph,
    Points,
    Section,
    Strong,
    Table,
    Text,
    phrase,
)

declare(
    "benchmark_design",
    {
        "title": "Design",
        "unknown": (
            "On a real radiograph the evidence that a model uses is unknown, and a heat map that "
            "covers the disease can be right for the wrong reason."
        ),
        "synthetic": (
            "Here the films are synthetic. Each lesion can be removed from the film of the same "
            "patient, with the same noise and window."
        ),
        "known": (
            "The ground truth of a map is therefore known for every pixel, and the drop of the "
            "model's logit shows whether the model used the evidence."
        ),
        "between": " ",
        "twins_name": "Twins.",
        "twins": (
            "The ground truth is where the noise-free film changes when one kind of lesion is "
            "removed (following BAM, Yang & Kim 2019, and CLEVR-XAI, Arras et al. 2022). "
            "Backgrounds are projected through tissue with quantum noise, blur and a window."
        ),
        "use_name": "Verified use.",
        "use": (
            "A map is scored only where the model predicts the label and its logit drops without "
            "the evidence at least twice as far as bars of equal area and contrast move it. The "
            "pass rate is published."
        ),
        "distractors_name": "Distractors, places and sizes.",
        "distractors": (
            "Bars cross the lungs as lesions do. Places are uniform over the lungs, since "
            "otherwise a map of the image's centre wins. Radii are 4 to 64 pixels of 256, and "
            "scores are shown beside the upper bound of the map's grid."
        ),
        "labels_name": "Two labels and their conjunction.",
        "labels": (
            "A method that gives all labels one map must fail on films with both lesions. A third "
            "label is true only if both others are."
        ),
        "shortcuts_name": "Shortcuts and a decoy.",
        "shortcuts": (
            "Some models were trained on films on which lead letters predicted the label; for "
            "others the same letters are uninformative. Heat on the letters should follow the "
            "verified reliance (Adebayo et al. 2022 found unknown shortcuts missed and false "
            "alarms raised)."
        ),
        "null_name": "Null models.",
        "null": (
            "For untrained networks and networks trained on permuted labels, scores must fall to "
            "the chance level (Adebayo et al. 2018)."
        ),
        "meta_name": "Meta-evaluation.",
        "meta": (
            "Maps α · oracle + (1 − α) · random improve with α, and a blurred oracle is no better "
            "than the oracle. A metric that ranks them otherwise is not used (compare Tomsett et "
            "al. 2020; ROAD, Rong et al. 2022, is known to favour blurry maps). Metrics of how "
            "maps change are tested on blends of Grad-CAM's map with a random map that is drawn "
            "anew each time."
        ),
        "baselines_name": "Baselines.",
        "baselines": (
            "Random maps, the centre, edges, brightness and the mean ground truth of other "
            "patients stand beside every method, as many methods do not exceed an edge filter "
            "(XAI-TRIS, Clark et al. 2024); so do the oracle and a map of nearly all ones."
        ),
        "models_name": "Several models.",
        "models": (
            "Three seeds of two architectures are tested, each with patients of its own. Intervals "
            "are by patient (Wilson for proportions, BCa for other means)."
        ),
    },
)

declare(
    "benchmark_use",
    {
        "title": "Run it, and add your method",
        "scores": (
            "The benchmark scores every registered method whose maps have the layer's grid, and "
            "your own: a function of a module that Python finds (the current folder is searched), "
        ),
        "or": " or ",
        "stop": ".",
        "writes": "It writes ",
        "comma": ", ",
        "every_score": " (every score of every map), ",
        "record": " (hashes, versions, settings), figures, ",
        "and": " and ",
        "this_page": ": this page.",
        "option": "option",
        "meaning": "meaning",
        "quick": "fewer films",
        "method": (
            "a method of your own, one that is scored only where it is named (slow ones, and those "
            "of pixels, whose maps are averaged over the layer's cells), or all, beside the "
            "others; repeatable"
        ),
        "films": (
            "real frontal chest radiographs: lesions are pasted on them, with twins, and the main "
            "models are explained there"
        ),
        "out": "output folder; default ",
        "seed": "0 to 9: other films, ties and noise",
        "colormap": "colours of maps in figures",
        "language": "language of the page: ",
        "rest_in_english": "; what it lacks is in English",
        "stopped": (
            "A run that was stopped goes on after the last model that it finished, if it is given "
            "the same options again and no method of your own."
        ),
    },
)

_DESIGN = (
    *("twins", "use", "distractors", "labels", "shortcuts", "null", "meta"),
    *("baselines", "models"),
)
_COMMANDS = """\
camlucida benchmark --quick --out benchmark                # 10 minutes on two idle cores
camlucida benchmark --out benchmark                        # more films
camlucida benchmark --quick --method mypkg.mine:my_cam     # your own method among the others
camlucida benchmark --quick --films radiographs/           # lesions on your own films, too
"""


def introduction() -> tuple[Section, ...]:
    """The sections on the design and on how to run the benchmark."""
    purpose = tuple(map(_design, ("unknown", "synthetic", "known")))
    points = []
    for name in _DESIGN:
        points.append(phrase(Strong(_design(f"{name}_name")), _design("between"), _design(name)))
    run: tuple[Block, ...] = (
        Paragraph((_methods(), _files())),
        Listing(_COMMANDS),
        Paragraph((_use("stopped"),)),
        Table("options", None, (_use("option"), _use("meaning")), _options()),
    )
    return (
        Section("design", (Paragraph(purpose), Points(tuple(points))), _design("title")),
        Section("run", run, _use("title")),
    )


def _design(name: str) -> Message:
    return Message(f"benchmark_design.{name}")


def _use(name: str) -> Message:
    return Message(f"benchmark_use.{name}")


def _methods() -> Text:
    gradient = (Code("f(activations, gradients)"), " → ", Code("(B, *grid)"))
    probe = (Code("f(probe)"), " → ", Code("(T, *grid)"))
    return phrase(_use("scores"), *gradient, _use("or"), *probe, _use("stop"))


def _files() -> Text:
    tables = ("summary.csv", "leaderboard.csv", "meta.csv", "verified.csv", "arms.csv")
    return phrase(
        _use("writes"),
        Code("rows.parquet"),
        _use("every_score"),
        *_listed(*tables, "benchmark.json"),
        _use("record"),
        Code("benchmark.html"),
        _use("and"),
        Code("benchmark.md"),
        _use("this_page"),
    )


def _options() -> tuple[tuple[Text, Text], ...]:
    languages = (*_listed("en", "pt"), _use("or"), Code("zh"))
    return (
        (Code("--quick"), _use("quick")),
        (phrase(Code("--method"), " module:function"), _use("method")),
        (phrase(Code("--films"), " DIR"), _use("films")),
        (phrase(*_listed("--out", "-o"), " DIR"), phrase(_use("out"), Code("benchmark"))),
        (Code("--device"), phrase(*_listed("auto", "cpu", "cuda", "cuda:1", "mps"))),
        (Code("--seed"), _use("seed")),
        (Code("--colormap"), _use("colormap")),
        (Code("--language"), phrase(_use("language"), *languages, _use("rest_in_english"))),
    )


def _listed(*codes: str) -> list[Text]:
    """Codes with commas between them."""
    parts: list[Text] = []
    for code in codes:
        parts += [_use("comma")] if parts else []
        parts.append(Code(code))
    return parts
