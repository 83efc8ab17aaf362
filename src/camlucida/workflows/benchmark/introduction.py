"""The texts of the page that no run changes: the design of the benchmark, and how to run it."""

from __future__ import annotations

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

NOTICE = (
    "All results are from synthetic films and small models trained on them. They compare methods "
    "and metrics, and do not generalise to radiology or to any real model."
)

_PURPOSE = (
    "On a real radiograph the evidence that a model uses is unknown, and a heat map that covers "
    "the disease can be right for the wrong reason.",
    "Here the films are synthetic. Each lesion can be removed from the film of the same patient, "
    "with the same noise and window.",
    "The ground truth of a map is therefore known for every pixel, and the drop of the model's "
    "logit shows whether the model used the evidence.",
)
_DESIGN = (
    (
        "Twins.",
        "The ground truth is where the noise-free film changes when one kind of lesion is removed "
        "(following BAM, Yang & Kim 2019, and CLEVR-XAI, Arras et al. 2022). Backgrounds are "
        "projected through tissue with quantum noise, blur and a window.",
    ),
    (
        "Verified use.",
        "A map is scored only where the model predicts the label and its logit drops without the "
        "evidence at least twice as far as bars of equal area and contrast move it. The pass rate "
        "is published.",
    ),
    (
        "Distractors, places and sizes.",
        "Bars cross the lungs as lesions do. Places are uniform over the lungs, since otherwise a "
        "map of the image's centre wins. Radii are 4 to 64 pixels of 256, and scores are shown "
        "beside the upper bound of the map's grid.",
    ),
    (
        "Two labels and their conjunction.",
        "A method that gives all labels one map must fail on films with both lesions. A third "
        "label is true only if both others are.",
    ),
    (
        "Shortcuts and a decoy.",
        "Some models were trained on films on which lead letters predicted the label; for others "
        "the same letters are uninformative. Heat on the letters should follow the verified "
        "reliance (Adebayo et al. 2022 found unknown shortcuts missed and false alarms raised).",
    ),
    (
        "Null models.",
        "For untrained networks and networks trained on permuted labels, scores must fall to the "
        "chance level (Adebayo et al. 2018).",
    ),
    (
        "Meta-evaluation.",
        "Maps α · oracle + (1 − α) · random improve with α, and a blurred oracle is no better than "
        "the oracle. A metric that ranks them otherwise is not used (compare Tomsett et al. 2020; "
        "ROAD, Rong et al. 2022, is known to favour blurry maps). Metrics of how maps change are "
        "tested on blends of Grad-CAM's map with a random map that is drawn anew each time.",
    ),
    (
        "Baselines.",
        "Random maps, the centre, edges, brightness and the mean ground truth of other patients "
        "stand beside every method, as many methods do not exceed an edge filter (XAI-TRIS, Clark "
        "et al. 2024); so do the oracle and a map of nearly all ones.",
    ),
    (
        "Several models.",
        "Three seeds of two architectures are tested, each with patients of its own. Intervals "
        "are by patient (Wilson for proportions, BCa for other means).",
    ),
)
_COMMANDS = """\
camlucida benchmark --quick --out benchmark                # 10 minutes on two cores
camlucida benchmark --out benchmark                        # more films
camlucida benchmark --quick --method mypkg.mine:my_cam     # your own method among the others
camlucida benchmark --quick --films radiographs/           # lesions on your own films, too
"""
_METHODS = phrase(
    "The benchmark scores every registered method and your own: a function of a module that "
    "Python finds (the current folder is searched), ",
    Code("f(activations, gradients)"),
    " → ",
    Code("(B, *grid)"),
    " or ",
    Code("f(probe)"),
    " → ",
    Code("(T, *grid)"),
    ".",
)
_FILES = phrase(
    "It writes ",
    Code("rows.parquet"),
    " (every score of every map), ",
    Code("summary.csv"),
    ", ",
    Code("leaderboard.csv"),
    ", ",
    Code("meta.csv"),
    ", ",
    Code("verified.csv"),
    ", ",
    Code("arms.csv"),
    ", ",
    Code("benchmark.json"),
    " (hashes, versions, settings), figures, ",
    Code("benchmark.html"),
    " and ",
    Code("benchmark.md"),
    ": this page.",
)
_OPTIONS: tuple[tuple[Text, Text], ...] = (
    (Code("--quick"), "fewer films"),
    (
        phrase(Code("--method"), " module:function"),
        "a method of your own, beside all registered ones; repeatable",
    ),
    (
        phrase(Code("--films"), " DIR"),
        "real frontal chest radiographs: lesions are pasted on them, with twins, and the main "
        "models are explained there",
    ),
    (
        phrase(Code("--out"), ", ", Code("-o"), " DIR"),
        phrase("output folder; default ", Code("benchmark")),
    ),
    (
        Code("--device"),
        phrase(
            Code("auto"),
            ", ",
            Code("cpu"),
            ", ",
            Code("cuda"),
            ", ",
            Code("cuda:1"),
            ", ",
            Code("mps"),
        ),
    ),
    (Code("--seed"), "0 to 9: other films, ties and noise"),
    (Code("--colormap"), "colours of maps in figures"),
    (
        Code("--language"),
        phrase(
            "language of the page: ",
            Code("en"),
            ", ",
            Code("pt"),
            " or ",
            Code("zh"),
            "; what it lacks is in English",
        ),
    ),
)


def introduction() -> tuple[Section, ...]:
    """The sections on the design and on how to run the benchmark."""
    points = tuple(phrase(Strong(title), f" {text}") for title, text in _DESIGN)
    design: tuple[Block, ...] = (Paragraph(_PURPOSE), Points(points))
    run: tuple[Block, ...] = (
        Paragraph((_METHODS, _FILES)),
        Listing(_COMMANDS),
        Table("options", None, ("option", "meaning"), _OPTIONS),
    )
    return (
        Section("design", design, title="Design"),
        Section("run", run, title="Run it, and add your method"),
    )
