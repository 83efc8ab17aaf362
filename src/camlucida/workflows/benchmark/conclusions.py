"""The results of a run in sentences, each with its numbers, also where a default method loses."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from camlucida.evaluation.maps.summary import title
from camlucida.report.document import Code, Text, phrase
from camlucida.workflows.benchmark.cells import Line, codes, interval, listed, percent, value
from camlucida.workflows.benchmark.leaderboard import ALL_MODELS, models_agree
from camlucida.workflows.benchmark.meta import reason_words
from camlucida.workflows.benchmark.result import Benchmark
from camlucida.workflows.benchmark.sections import GROUP_LETTERS
from camlucida.workflows.benchmark.tables import (
    ABOVE_CHANCE,
    ALARM_RATIO,
    ALARMS,
    BAR,
    BLIND_BASELINES,
    CHIEF_METRICS,
    LOGIT_DROP,
    SCORE,
    SHARE,
    SPECIFICITY,
    TAG,
    TRACKING,
    pass_rates,
)

DEFAULTS = {"gradcam": "the default method", "hirescam": "the method of the demonstration"}
"""Methods that camlucida uses by itself."""


def conclusions(b: Benchmark) -> Iterator[Text]:
    """All sentences, in the order of the page."""
    for part in (
        _ranking,
        _baselines,
        _paired_losses,
        _identical_maps,
        _metrics,
        _average_drop,
        _verification,
        _decoy,
        _distractors,
        _reliance,
        _shortcut_alarms,
        _tracking,
        _null_models,
        _specificity,
        _conjunction,
        _sizes,
        _real_films,
        _agreement,
    ):
        yield from part(b)


def _ranking(b: Benchmark) -> Iterator[Text]:
    """The order of the methods where the models agree on one; else the groups that differ."""
    methods = b.board[~b.board["baseline"].astype(bool) & b.board["rank"].notna()]
    if methods.empty:
        yield "No metric passed the meta-evaluation, so the methods are not ranked."
        return
    if models_agree(b.agreement):
        yield from _order(methods)
    else:
        yield from _groups_alone(b, methods)


def _order(methods: pd.DataFrame) -> Iterator[Text]:
    best = methods[methods["position"] == methods["position"].min()]
    worst = methods[methods["position"] == methods["position"].max()]
    yield phrase(
        codes(best["method"]),
        f" ranks first of {len(methods)} methods (mean rank {_rank(best)}, with baselines among "
        "the ranked), and ",
        codes(worst["method"]),
        f" last ({_rank(worst)}).",
    )
    for name, role in DEFAULTS.items():
        listed_names = methods["method"] + ", " + methods["also"]
        line = methods[[name in names.split(", ") for names in listed_names]]
        if len(line):
            position = line["position"].iloc[0]
            yield phrase(
                Code(name), f", {role}, is in position {position:.0f} (mean rank {_rank(line)})."
            )


def _rank(lines: pd.DataFrame) -> str:
    """Mean rank of the first line, with its interval."""
    line = lines.iloc[0]
    keys = {"estimate": "rank", "low": "rank_low", "high": "rank_high"}
    return interval({name: line[column] for name, column in keys.items()})


def _groups_alone(b: Benchmark, methods: pd.DataFrame) -> Iterator[Text]:
    of_all = b.agreement.loc[b.agreement["among"] == ALL_MODELS, "kendall_w"]
    w = f" (Kendall's W {of_all.iloc[0]:.2f})" if len(of_all) and of_all.notna().all() else ""
    parts: list[Text] = []
    for number in sorted(methods["group"].unique()):
        members = methods.loc[methods["group"] == number, "method"]
        letter = GROUP_LETTERS[int(number)]
        parts += ["; " if parts else "", f"{letter}: ", codes(members)]
    yield phrase(
        f"The models do not agree on an order of the methods{w}, so none is given. Groups whose "
        "mean ranks differ beyond the interval: ",
        *parts,
        ".",
    )


def _baselines(b: Benchmark) -> Iterator[Text]:
    """Baselines that do not use the model and rank above methods beyond the interval."""
    methods = set(b.board.loc[~b.board["baseline"].astype(bool), "method"])
    worse: dict[str, list[str]] = {}
    for gap in b.gaps.to_dict("records"):
        if gap["high"] < 0:
            better, other = gap["first"], gap["second"]
        elif gap["low"] > 0:
            better, other = gap["second"], gap["first"]
        else:
            continue
        if better in BLIND_BASELINES and other in methods:
            worse.setdefault(better, []).append(other)
    for baseline, others in worse.items():
        yield phrase(
            f"The baseline {baseline}, which does not use the model, ranks above ",
            codes(others),
            " beyond the interval.",
        )


def _paired_losses(b: Benchmark) -> Iterator[Text]:
    """Paired comparisons of methods with blind baselines."""
    if b.gains.empty:
        return
    blind = b.gains[b.gains["baseline"].isin(BLIND_BASELINES)]
    for (metric, output), part in blind.groupby(["metric", "output"], sort=False):
        lost = part[part["high"] < 0]
        losses: list[Text] = []
        for baseline, group in lost.groupby("baseline", sort=False):
            losses += ["; " if losses else "", codes(group["method"]), f" (below {baseline})"]
        if losses:
            name = title(str(metric), str(output))
            yield phrase(f"On {name}, these methods score below a baseline: ", *losses, ".")
    tested = int(blind["low"].notna().sum())
    if tested:
        won, worse = int((blind["low"] > 0).sum()), int((blind["high"] < 0).sum())
        undecided = int(((blind["low"] <= 0) & (blind["high"] >= 0)).sum())
        yield (
            f"Of {tested} paired comparisons of a method with a blind baseline over all ranking "
            f"metrics, methods win {won} and lose {worse} beyond the 95% interval; {undecided} are "
            "undecided."
        )


def _identical_maps(b: Benchmark) -> Iterator[Text]:
    if not b.same:
        return
    groups: list[Text] = []
    for group in b.same:
        groups += ["; " if groups else "", codes(group)]
    yield phrase(
        "Behind global average pooling and one linear layer, these methods give identical maps on "
        "every film: ",
        *groups,
        ". Each group is one entry under its first name, and agreement within it is no evidence.",
    )


def _metrics(b: Benchmark) -> Iterator[Text]:
    dropped = b.meta[~b.meta["kept"].astype(bool)]
    kept = len(b.meta) - len(dropped)
    yield (
        f"{kept} of {len(b.meta)} metrics pass the meta-evaluation (each model output counts as a "
        f"metric of its own); {len(dropped)} fail."
    )
    for reason, part in dropped.groupby("why", sort=False):
        titles = listed(part["title"].tolist())
        yield f"Dropped ({reason_words(str(reason))}): {titles}."


def _average_drop(b: Benchmark) -> Iterator[Text]:
    chosen = (b.summary["metric"] == "average_drop") & (b.summary["output"] == "probability")
    part = b.summary[chosen]
    if (part["label"] == "all labels").any():
        part = part[part["label"] == "all labels"]
    fake = part[part["method"] == "fake_cam"]
    methods = part[~part["baseline"].astype(bool)].sort_values("estimate")
    if len(fake) and len(methods):
        yield phrase(
            "Average drop can be gamed: a map of nearly all ones (fake_cam) scores "
            f"{value(fake['estimate'].iloc[0])}, the best method (",
            Code(methods["method"].iloc[0]),
            f") {value(methods['estimate'].iloc[0])}; lower is better.",
        )


def _verification(b: Benchmark) -> Iterator[Text]:
    table = pass_rates(b.verification[b.verification["arm"] == "main"])
    for label, part in table.groupby("label", sort=False):
        passed, films = int(part["passed"].sum()), int(part["films"].sum())
        low, high = percent(part["pass_rate"].min()), percent(part["pass_rate"].max())
        yield (
            f"Use of “{label}” is verified on {passed} of {films} films "
            f"({percent(passed / films)}; {low} to {high} by model); only these are scored."
        )


def _quantity(b: Benchmark, arm: str, quantity: str, metric: str = "") -> pd.DataFrame:
    """The lines of an arm on a quantity, of one metric or of all."""
    lines = b.arms[(b.arms["arm"] == arm) & (b.arms["quantity"] == quantity)]
    return lines[lines["metric"] == metric] if metric else lines


def _methods(lines: pd.DataFrame) -> pd.DataFrame:
    """The lines of methods, without baselines."""
    return lines[~lines["baseline"].astype(bool)]


def _decoy(b: Benchmark) -> Iterator[Text]:
    alarms = _quantity(b, "decoy", ALARMS, TAG)
    methods = _methods(alarms).sort_values("estimate")
    if methods.empty:
        return
    low, high = methods.iloc[0], methods.iloc[-1]
    random = alarms.loc[alarms["method"] == "random", "estimate"]
    beside = f"; random maps: {percent(random.iloc[0])}" if len(random) else ""
    yield phrase(
        f"False alarms on the decoy occur in {percent(low['estimate'])} (",
        Code(low["method"]),
        f") to {percent(high['estimate'])} (",
        Code(high["method"]),
        f") of maps, although the tag is uninformative for the main models{beside}. A false alarm "
        f"is more than {ALARM_RATIO:g} times the heat that a uniform map has on the tag.",
    )


def _distractors(b: Benchmark) -> Iterator[Text]:
    methods = _methods(_quantity(b, "distractors", SHARE, BAR))
    if methods.empty:
        return
    ratio = (methods["estimate"] / methods["chance"]).set_axis(methods["method"]).sort_values()
    yield phrase(
        f"Distractors (bars of a lesion's area and contrast) receive {value(ratio.iloc[0])} (",
        Code(str(ratio.index[0])),
        f") to {value(ratio.iloc[-1])} (",
        Code(str(ratio.index[-1])),
        ") times the heat of a uniform map.",
    )


def _reliance(b: Benchmark) -> Iterator[Text]:
    lines = _quantity(b, "shortcut", LOGIT_DROP).sort_values("part").to_dict("records")
    if lines:
        drops = ", ".join(f"{interval(line)} at {line['part']}" for line in lines)
        yield f"Without the tag, the logit of nodule drops by {drops}."


def _shortcut_alarms(b: Benchmark) -> Iterator[Text]:
    methods = _methods(_quantity(b, "shortcut", ALARMS))
    ranges = []
    for part, group in methods.sort_values("part").groupby("part"):
        low, high = percent(group["estimate"].min()), percent(group["estimate"].max())
        ranges.append(f"{low} to {high} at {part}")
    if ranges:
        yield (
            f"In the shortcut arms, maps with more than {ALARM_RATIO:g} times the area of the tag "
            f"on it make up, from the lowest to the highest method, {', '.join(ranges)}."
        )


def _tracking(b: Benchmark) -> Iterator[Text]:
    lines = _quantity(b, "shortcut", TRACKING).sort_values("estimate", ascending=False)
    scopes = {"all": "over the films of all models", "within models": "within each model"}
    for part, scope in scopes.items():
        chosen = lines[lines["part"] == part]
        methods = _methods(chosen).to_dict("records")
        if not methods:
            continue
        best, worst = methods[0], methods[-1]
        above = sum(line["low"] > 0 for line in methods)
        blind = chosen[chosen["baseline"].astype(bool)].to_dict("records")
        baselines = ", ".join(f"{line['method']} {interval(line)}" for line in blind)
        yield phrase(
            f"Heat on the tag increases with the reliance on it, {scope}, for {above} of "
            f"{len(methods)} methods (interval of Spearman's ρ above 0): from ",
            *_named(best),
            " down to ",
            *_named(worst),
            f". Baselines that do not use the model: {baselines}.",
        )


def _named(line: Line) -> tuple[Text, Text]:
    """A method and its estimate."""
    return Code(line["method"]), f" {interval(line)}"


def _null_models(b: Benchmark) -> Iterator[Text]:
    ranking = {metric for metric, _ in b.metrics} | set(CHIEF_METRICS)
    for arm in ("untrained", "permuted"):
        lines = _quantity(b, arm, ABOVE_CHANCE)
        lines = lines[lines["metric"].isin(ranking)]
        tested, above = lines[lines["low"].notna()], lines[lines["low"] > 0]
        if lines.empty:
            continue
        if tested.empty:
            yield f"The films are too few to test the {arm} models against the chance level."
            continue
        yield (
            f"For {arm} models, {len(above)} of {len(tested)} mean scores (method × metric) exceed "
            "chance beyond their interval."
        )
        for metric, part in above.groupby("metric", sort=False):
            name = title(str(metric), str(part["output"].iloc[0]))
            methods = codes(dict.fromkeys(part["method"]))
            yield phrase(f"For {arm} models, {name} exceeds chance with ", methods, ".")


def _specificity(b: Benchmark) -> Iterator[Text]:
    lines = _methods(_quantity(b, "main", SPECIFICITY)).dropna(subset="estimate")
    for part, group in lines.sort_values("estimate").groupby("part", sort=True):
        low, high = group.iloc[0].to_dict(), group.iloc[-1].to_dict()
        span = _named(low) if len(group) == 1 else (*_named(low), " to ", *_named(high))
        yield phrase(
            f"The class specificity of {part} methods on films with both lesions is ",
            *span,
            f", on {low['rows']} maps.",
        )


def _conjunction(b: Benchmark) -> Iterator[Text]:
    lines = _methods(_quantity(b, "main", SCORE, "iou_area_matched"))
    by_part = {part: group.set_index("method") for part, group in lines.groupby("part")}
    if not {"single", "conjunction"} <= by_part.keys():
        return
    single = by_part["single"]["over_ceiling"]
    both = by_part["conjunction"]["over_ceiling"]
    lower = int((both < single).sum())
    yield (
        "For the conjunction “nodule and cavity”, area-matched IoU reaches a median over methods "
        f"of {value(both.median())} of the upper bound of the grid, against "
        f"{value(single.median())} for the single labels; it is lower for {lower} of {len(both)} "
        "methods."
    )


def _sizes(b: Benchmark) -> Iterator[Text]:
    lines = _methods(_quantity(b, "main", SCORE, "iou_area_matched"))
    lines = lines[lines["part"].isin(["small", "medium", "large"])]
    if lines["part"].nunique() < 2:
        return
    scores = []
    for part, group in lines.groupby("part", sort=False):
        bound = value(group["over_ceiling"].median())
        scores.append(
            f"{value(group['estimate'].median())} for {part} lesions ({bound} of the bound)"
        )
    yield f"The median over methods of the area-matched IoU is {listed(scores)}."


def _real_films(b: Benchmark) -> Iterator[Text]:
    semi = b.verification[b.verification["arm"] == "semi"]
    if semi.empty:
        return
    passed = int(semi["passed"].sum())
    scored = "only these are scored" if passed else "so no map is scored there"
    yield (
        f"On {b.about['real_films']} real radiographs with pasted lesions, use is verified for "
        f"{passed} of {len(semi)} pairs of a model and a label ({percent(passed / len(semi))}); "
        f"{scored}."
    )


def _agreement(b: Benchmark) -> Iterator[Text]:
    lines = b.agreement[b.agreement["kendall_w"].notna()].to_dict("records")
    if lines:
        scopes = [f"{line['kendall_w']:.2f} among {line['among']}" for line in lines]
        yield (
            "Kendall's W of the methods' rankings (1: full agreement between models) is "
            f"{listed(scopes)}."
        )
