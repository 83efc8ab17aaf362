"""The results of a run in sentences, each with its numbers, also where a default method loses."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from camlucida.core.messages import Message, chain, named
from camlucida.evaluation.maps.summary import title
from camlucida.workflows.benchmark.cells import Line, interval, percent, value
from camlucida.workflows.benchmark.leaderboard import ALL_MODELS, models_agree
from camlucida.workflows.benchmark.meta import reason_message
from camlucida.workflows.benchmark.result import Benchmark
from camlucida.workflows.benchmark.result_texts import name_message, result_message
from camlucida.workflows.benchmark.sections import GROUP_LETTERS, scope_message
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

DEFAULTS = ("gradcam", "hirescam")
"""Methods that camlucida uses by itself."""


def conclusions(b: Benchmark) -> Iterator[Message]:
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


def _ranking(b: Benchmark) -> Iterator[Message]:
    """The order of the methods where the models agree on one; else the groups that differ."""
    methods = b.board[~b.board["baseline"].astype(bool) & b.board["rank"].notna()]
    if methods.empty:
        yield result_message("not_ranked")
        return
    if models_agree(b.agreement):
        yield from _order(methods)
    else:
        yield from _groups_alone(b, methods)


def _order(methods: pd.DataFrame) -> Iterator[Message]:
    best = methods[methods["position"] == methods["position"].min()]
    worst = methods[methods["position"] == methods["position"].max()]
    yield result_message(
        "order",
        best=list(best["method"]),
        methods=len(methods),
        of_best=_rank(best),
        worst=list(worst["method"]),
        of_worst=_rank(worst),
    )
    for name in DEFAULTS:
        listed_names = methods["method"] + ", " + methods["also"]
        line = methods[[name in names.split(", ") for names in listed_names]]
        if len(line):
            yield result_message(
                "position",
                method=name,
                role=result_message(f"role_{name}"),
                position=int(line["position"].iloc[0]),
                rank=_rank(line),
            )


def _rank(lines: pd.DataFrame) -> str:
    """Mean rank of the first line, with its interval."""
    line = lines.iloc[0]
    keys = {"estimate": "rank", "low": "rank_low", "high": "rank_high"}
    return interval({name: line[column] for name, column in keys.items()})


def _groups_alone(b: Benchmark, methods: pd.DataFrame) -> Iterator[Message]:
    of_all = b.agreement.loc[b.agreement["among"] == ALL_MODELS, "kendall_w"]
    w = named("")
    if len(of_all) and of_all.notna().all():
        w = result_message("kendall_w", w=float(of_all.iloc[0]))
    groups = []
    for number in sorted(methods["group"].unique()):
        members = list(methods.loc[methods["group"] == number, "method"])
        letter = GROUP_LETTERS[int(number)]
        groups.append(result_message("group", letter=letter, methods=members))
    yield result_message("no_order", w=w, groups=chain("words.clause", groups))


def _baselines(b: Benchmark) -> Iterator[Message]:
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
        yield result_message("baseline_above", baseline=baseline, methods=others)


def _paired_losses(b: Benchmark) -> Iterator[Message]:
    """Paired comparisons of methods with blind baselines."""
    if b.gains.empty:
        return
    blind = b.gains[b.gains["baseline"].isin(BLIND_BASELINES)]
    for (metric, output), part in blind.groupby(["metric", "output"], sort=False):
        lost = part[part["high"] < 0]
        losses = []
        for baseline, group in lost.groupby("baseline", sort=False):
            methods = list(group["method"])
            losses.append(result_message("below", methods=methods, baseline=str(baseline)))
        if losses:
            name = title(str(metric), str(output))
            of_all = chain("words.clause", losses)
            yield result_message("below_baselines", metric=name, losses=of_all)
    tested = int(blind["low"].notna().sum())
    if tested:
        yield result_message(
            "paired",
            tested=tested,
            won=int((blind["low"] > 0).sum()),
            lost=int((blind["high"] < 0).sum()),
            undecided=int(((blind["low"] <= 0) & (blind["high"] >= 0)).sum()),
        )


def _identical_maps(b: Benchmark) -> Iterator[Message]:
    if not b.same:
        return
    groups = [result_message("methods", methods=list(group)) for group in b.same]
    yield result_message("identical", groups=chain("words.clause", groups))


def _metrics(b: Benchmark) -> Iterator[Message]:
    dropped = b.meta[~b.meta["kept"].astype(bool)]
    kept = len(b.meta) - len(dropped)
    yield result_message("metrics", kept=kept, count=len(b.meta), dropped=len(dropped))
    for reason, part in dropped.groupby("why", sort=False):
        titles = [title(metric, output) for metric, output in zip(part["metric"], part["output"])]
        yield result_message("dropped", reason=reason_message(str(reason)), titles=titles)


def _average_drop(b: Benchmark) -> Iterator[Message]:
    chosen = (b.summary["metric"] == "average_drop") & (b.summary["output"] == "probability")
    part = b.summary[chosen]
    if (part["label"] == "all labels").any():
        part = part[part["label"] == "all labels"]
    fake = part[part["method"] == "fake_cam"]
    methods = part[~part["baseline"].astype(bool)].sort_values("estimate")
    if len(fake) and len(methods):
        yield result_message(
            "average_drop",
            fake=value(fake["estimate"].iloc[0]),
            method=str(methods["method"].iloc[0]),
            best=value(methods["estimate"].iloc[0]),
        )


def _verification(b: Benchmark) -> Iterator[Message]:
    table = pass_rates(b.verification[b.verification["arm"] == "main"])
    for label, part in table.groupby("label", sort=False):
        passed, films = int(part["passed"].sum()), int(part["films"].sum())
        yield result_message(
            "verified",
            label=str(label),
            passed=passed,
            films=films,
            rate=percent(passed / films),
            low=percent(part["pass_rate"].min()),
            high=percent(part["pass_rate"].max()),
        )


def _quantity(b: Benchmark, arm: str, quantity: str, metric: str = "") -> pd.DataFrame:
    """The lines of an arm on a quantity, of one metric or of all."""
    lines = b.arms[(b.arms["arm"] == arm) & (b.arms["quantity"] == quantity)]
    return lines[lines["metric"] == metric] if metric else lines


def _methods(lines: pd.DataFrame) -> pd.DataFrame:
    """The lines of methods, without baselines."""
    return lines[~lines["baseline"].astype(bool)]


def _decoy(b: Benchmark) -> Iterator[Message]:
    alarms = _quantity(b, "decoy", ALARMS, TAG)
    methods = _methods(alarms).sort_values("estimate")
    if methods.empty:
        return
    low, high = methods.iloc[0], methods.iloc[-1]
    random = alarms.loc[alarms["method"] == "random", "estimate"]
    beside = named("")
    if len(random):
        beside = result_message("decoy_random", rate=percent(random.iloc[0]))
    yield result_message(
        "decoy",
        low=percent(low["estimate"]),
        least=low["method"],
        high=percent(high["estimate"]),
        most=high["method"],
        beside=beside,
        ratio=ALARM_RATIO,
    )


def _distractors(b: Benchmark) -> Iterator[Message]:
    methods = _methods(_quantity(b, "distractors", SHARE, BAR))
    if methods.empty:
        return
    ratio = (methods["estimate"] / methods["chance"]).set_axis(methods["method"]).sort_values()
    yield result_message(
        "distractors",
        low=value(ratio.iloc[0]),
        least=str(ratio.index[0]),
        high=value(ratio.iloc[-1]),
        most=str(ratio.index[-1]),
    )


def _reliance(b: Benchmark) -> Iterator[Message]:
    lines = _quantity(b, "shortcut", LOGIT_DROP).sort_values("part").to_dict("records")
    if lines:
        drops = [result_message("at", score=interval(line), part=line["part"]) for line in lines]
        yield result_message("reliance", drops=drops)


def _shortcut_alarms(b: Benchmark) -> Iterator[Message]:
    methods = _methods(_quantity(b, "shortcut", ALARMS))
    ranges = []
    for part, group in methods.sort_values("part").groupby("part"):
        low, high = percent(group["estimate"].min()), percent(group["estimate"].max())
        ranges.append(result_message("range_at", low=low, high=high, part=str(part)))
    if ranges:
        yield result_message("shortcut_alarms", ratio=ALARM_RATIO, ranges=ranges)


def _tracking(b: Benchmark) -> Iterator[Message]:
    lines = _quantity(b, "shortcut", TRACKING).sort_values("estimate", ascending=False)
    scopes = {"all": "over_all", "within models": "within_models"}
    for part, scope in scopes.items():
        chosen = lines[lines["part"] == part]
        methods = _methods(chosen).to_dict("records")
        if not methods:
            continue
        blind = chosen[chosen["baseline"].astype(bool)].to_dict("records")
        yield result_message(
            "tracking",
            scope=result_message(scope),
            above=sum(line["low"] > 0 for line in methods),
            methods=len(methods),
            best=_named(methods[0]),
            worst=_named(methods[-1]),
            baselines=[_named(line) for line in blind] or "–",
        )


def _named(line: Line) -> Message:
    """A method and its estimate."""
    return result_message("named", method=line["method"], score=interval(line))


def _null_models(b: Benchmark) -> Iterator[Message]:
    ranking = {metric for metric, _ in b.metrics} | set(CHIEF_METRICS)
    for arm in ("untrained", "permuted"):
        lines = _quantity(b, arm, ABOVE_CHANCE)
        lines = lines[lines["metric"].isin(ranking)]
        tested, above = lines[lines["low"].notna()], lines[lines["low"] > 0]
        if lines.empty:
            continue
        if tested.empty:
            yield result_message("too_few", arm=name_message(arm))
            continue
        counts = {"above": len(above), "tested": len(tested)}
        yield result_message("above_chance", arm=name_message(arm), **counts)
        for metric, part in above.groupby("metric", sort=False):
            yield result_message(
                "metric_above_chance",
                arm=name_message(arm),
                metric=title(str(metric), str(part["output"].iloc[0])),
                methods=list(dict.fromkeys(part["method"])),
            )


def _specificity(b: Benchmark) -> Iterator[Message]:
    lines = _methods(_quantity(b, "main", SPECIFICITY)).dropna(subset="estimate")
    for part, group in lines.sort_values("estimate").groupby("part", sort=True):
        low, high = group.iloc[0].to_dict(), group.iloc[-1].to_dict()
        span = _named(low)
        if len(group) > 1:
            span = result_message("span", low=span, high=_named(high))
        kind = result_message(str(part).replace("-", "_"))
        yield result_message("specificity", part=kind, span=span, count=int(low["rows"]))


def _conjunction(b: Benchmark) -> Iterator[Message]:
    lines = _methods(_quantity(b, "main", SCORE, "iou_area_matched"))
    by_part = {part: group.set_index("method") for part, group in lines.groupby("part")}
    if not {"single", "conjunction"} <= by_part.keys():
        return
    single = by_part["single"]["over_ceiling"]
    both = by_part["conjunction"]["over_ceiling"]
    yield result_message(
        "conjunction",
        both=value(both.median()),
        single=value(single.median()),
        lower=int((both < single).sum()),
        count=len(both),
    )


def _sizes(b: Benchmark) -> Iterator[Message]:
    lines = _methods(_quantity(b, "main", SCORE, "iou_area_matched"))
    lines = lines[lines["part"].isin(["small", "medium", "large"])]
    if lines["part"].nunique() < 2:
        return
    scores = []
    for part, group in lines.groupby("part", sort=False):
        scores.append(
            result_message(
                "of_size",
                score=value(group["estimate"].median()),
                size=name_message(str(part)),
                bound=value(group["over_ceiling"].median()),
            )
        )
    yield result_message("sizes", scores=scores)


def _real_films(b: Benchmark) -> Iterator[Message]:
    semi = b.verification[b.verification["arm"] == "semi"]
    if semi.empty:
        return
    passed = int(semi["passed"].sum())
    yield result_message(
        "real",
        films=b.about["real_films"],
        passed=passed,
        pairs=len(semi),
        rate=percent(passed / len(semi)),
        consequence=result_message("only_these" if passed else "none_scored"),
    )


def _agreement(b: Benchmark) -> Iterator[Message]:
    lines = b.agreement[b.agreement["kendall_w"].notna()].to_dict("records")
    if lines:
        scopes = [
            result_message("w_among", w=float(line["kendall_w"]), scope=scope_message(line))
            for line in lines
        ]
        yield result_message("agreement", scopes=scopes)
