"""The words of the page that no run changes: what the benchmark is, after whom, and how to run it."""

NOTICE = (
    "SYNTHETIC films and small models trained on them. Research use only. What is measured here says something about methods and "
    "metrics, nothing about radiology or any real model."
)
WHAT = (
    "On a real radiograph nobody knows what a model should have looked at, let alone what it did look at: a heat map that lies "
    "on the disease can be right for the wrong reason. Here the films are drawn. Each lesion can be taken off the same "
    "patient's film, same noise, same window; so the truth of a map is known pixel by pixel, and the model itself says whether "
    "it used it: by how far its logit falls.",
    "Such tests exist for everyday pictures; we know of none for radiographs. The design gathers what its forerunners showed "
    "to matter:",
)
DESIGN = (
    "**Twins.** Truth is where the noise-free film changes when one kind of lesion is taken off (after BAM, Yang & Kim 2019, and "
    "CLEVR-XAI, Arras et al. 2022). Backgrounds are projected through tissue with quantum noise, blur and a window.",
    "**Verified use.** A map is scored only where the model says the label and its logit falls without the evidence, at least "
    "twice as far as bars of the same area and contrast in its stead move it. The pass rate is published.",
    "**Distractors, places, sizes.** Bars cross the lungs as lesions do; places are uniform over the lungs, for else the "
    "image's centre wins; radius 4 to 64 pixels of 256; scores are shown beside the ceiling of the map's grid.",
    "**Two labels at once, and a conjunction.** A method that gives all labels one map must fail on films with both lesions. A "
    "third label is true only if both others are.",
    "**Shortcuts and a decoy.** Some models learnt from films on which lead letters told the label; for others the same "
    "letters mean nothing. Heat on the letters should follow the proven reliance (Adebayo et al. 2022 found that unknown "
    "shortcuts are missed, and false alarms raised).",
    "**Null models.** Untrained networks, and networks trained on other films' labels: scores must fall to chance (Adebayo et "
    "al. 2018).",
    "**The metrics are tested first.** Maps α · oracle + (1 − α) · random are known to get better with α, a blurred oracle to "
    "be no better: a metric that says otherwise does not rank anything here (compare Tomsett et al. 2020; ROAD, Rong et al. "
    "2022, is known to favour blurry maps).",
    "**Blind baselines.** Random, centre, edges, brightness and the mean truth of other patients stand beside every method, "
    "for many methods do not beat an edge filter (XAI-TRIS, Clark et al. 2024); the oracle and a map of nearly all ones, too.",
    "**Several models.** Three seeds of two architectures, each with patients of its own; intervals resample patients (BCa).",
)
RUN = (
    "camlucida benchmark --quick --out benchmark                # 10 minutes on two cores\n"
    "camlucida benchmark --out benchmark                        # more films\n"
    "camlucida benchmark --quick --method mypkg.mine:my_cam     # your own method among the others\n"
    "camlucida benchmark --quick --films radiographs/           # lesions on your own films, too"
)
HOW = (
    "It scores every registered method and your own: a function of a module that Python finds (the current folder counts), "
    "`f(activations, gradients)` → `(B, *grid)` or `f(probe)` → `(T, *grid)`, as in [extending](../how-to/extending.md). It writes "
    "`rows.parquet` (every score of every map), `summary.csv`, `leaderboard.csv`, `meta.csv`, `verified.csv`, `arms.csv`, "
    "`benchmark.json` (hashes, versions, settings), figures, `benchmark.html` and `benchmark.md`: this page."
)


OPTIONS = (
    ("`--quick`", "fewer films"),
    ("`--method` module:function", "a method of your own, beside all registered ones; repeatable"),
    (
        "`--films` DIR",
        "real frontal chest radiographs: lesions are pasted on them, with twins, and the main models explained there",
    ),
    ("`--out`, `-o` DIR", "folder for everything; default `benchmark`"),
    ("`--device`", "`auto`, `cpu`, `cuda`, `cuda:1`, `mps`"),
    ("`--seed`", "0 to 9: other films, ties and noise"),
)
