"""What a run found, in sentences, each with its numbers: also where favourites lose, and which metrics failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from camlucida.evaluation.maps.summary import title
from camlucida.workflows.benchmark.document import interval, names, percent, value
from camlucida.workflows.benchmark.result import Benchmark
from camlucida.workflows.benchmark.tables import BAR, CHIEF, TAG, TWICE, verified

DEFAULTS = ("gradcam", "hirescam")
"""The tool's own favourites: the default method, and that of its demonstration."""
BLIND = ("random", "center", "sobel", "intensity", "average_mask")
"""Baselines that know neither model nor truth."""


def findings(b: Benchmark) -> list[str]:
    """All sentences, in the order of the page."""
    parts = (
        _of_places,
        _of_baselines,
        _of_equal_maps,
        _of_metrics,
        _of_masking,
        _of_proof,
        _of_decoy,
        _of_shortcuts,
        _of_nulls,
    )
    later = (_of_specificity, _of_conjunction, _of_sizes, _of_real, _of_agreement)
    return [sentence for part in (*parts, *later) for sentence in part(b)]


def _code(methods: Sequence[str]) -> str:
    return names([f"`{method}`" for method in methods])


def _of_places(b: Benchmark) -> Iterator[str]:
    ranked = b.board[b.board["place"].notna()]
    if ranked.empty:
        yield "No metric passed the meta-evaluation here, so nothing is ranked."
        return
    first = ranked[ranked["place"] == ranked["place"].min()]
    yield (
        f"By the metrics that passed, first of {len(ranked)} methods: {_code(first['method'].tolist())} "
        f"(mean rank {value(first['rank'].iloc[0])}, baselines among the ranked); last: "
        f"{_code(ranked[ranked['place'] == ranked['place'].max()]['method'].tolist())} ({value(ranked['rank'].max())})."
    )
    for name in DEFAULTS:
        line = ranked[ranked["method"] == name]
        if len(line):
            ahead = ranked[ranked["place"] < line["place"].iloc[0]]["method"].tolist()
            words = f"behind {_code(ahead)}" if ahead else "nothing is ahead of it"
            kind = "the tool's default" if name == "gradcam" else "the demonstration's method"
            yield f"`{name}`, {kind}, takes place {line['place'].iloc[0]:.0f} (mean rank {value(line['rank'].iloc[0])}): {words}."


def _of_baselines(b: Benchmark) -> Iterator[str]:
    better = b.board[b.board["method"].isin(BLIND) & b.board["rank"].notna()]
    ranked = b.board[b.board["place"].notna()]
    for line in better.to_dict("records"):
        losers = ranked[ranked["rank"] > line["rank"]]["method"].tolist()
        if losers:
            yield f"The baseline {line['method']}, which does not look at the model, ranks above {_code(losers)}."
    if b.gains.empty:
        return
    for (metric, output), part in b.gains.groupby(["metric", "output"], sort=False):
        lost = part[part["baseline"].isin(BLIND) & (part["high"] < 0)]
        if len(lost):
            words = "; ".join(
                f"{names([f'`{m}`' for m in group['method']])} to {baseline}"
                for baseline, group in lost.groupby("baseline", sort=False)
            )
            yield f"By {title(str(metric), str(output))}, methods lose beyond the interval of the paired difference: {words}."
    worst = b.gains[b.gains["baseline"].isin(BLIND)]
    unsure = worst[(worst["low"] <= 0) & (worst["high"] >= 0)]
    tested = int(worst["low"].notna().sum())
    if tested:
        yield (
            f"Of {tested} paired comparisons of a method with a blind baseline (all ranking metrics), "
            f"{int((worst['low'] > 0).sum())} are won and {int((worst['high'] < 0).sum())} lost beyond their 95 % interval; "
            f"{len(unsure)} are open."
        )


def _of_equal_maps(b: Benchmark) -> Iterator[str]:
    if b.same:
        groups = "; ".join(_code(group) for group in b.same)
        yield (
            f"One map under several names on every film, behind global average pooling and one linear layer: {groups}. Each is "
            "scored once, and their agreement is no evidence."
        )


def _of_metrics(b: Benchmark) -> Iterator[str]:
    judged = b.meta
    failed = judged[~judged["kept"].astype(bool)]
    passed = len(judged) - len(failed)
    yield f"{passed} of {len(judged)} metrics (each score counted) pass the meta-evaluation, {len(failed)} fail."
    for why, part in failed.groupby("why", sort=False):
        yield f"Failed — {why}: {names(part['title'].tolist())}."


def _of_masking(b: Benchmark) -> Iterator[str]:
    part = b.summary[
        (b.summary["metric"] == "average_drop") & (b.summary["output"] == "probability")
    ]
    whole = part[part["label"] == "all labels"] if (part["label"] == "all labels").any() else part
    fake, rest = whole[whole["method"] == "fake_cam"], whole[~whole["baseline"].astype(bool)]
    if len(fake) and len(rest):
        best = rest.sort_values("estimate").iloc[0]
        yield (
            f"Average drop is gamed: a map of nearly all ones (fake_cam) gets {value(fake['estimate'].iloc[0])}, the best method "
            f"(`{best['method']}`) {value(best['estimate'])}; lower is better."
        )


def _of_proof(b: Benchmark) -> Iterator[str]:
    table = verified(b.uses[b.uses["arm"] == "main"])
    for label, part in table.groupby("label", sort=False):
        yield (
            f"Use of “{label}” is proven on {int(part['passed'].sum())} of {int(part['films'].sum())} films "
            f"({percent(part['passed'].sum() / part['films'].sum())}; by model {percent(part['pass_rate'].min())} to "
            f"{percent(part['pass_rate'].max())}): only these are scored."
        )


def _lines(b: Benchmark, arm: str, quantity: str, metric: str = "") -> pd.DataFrame:
    found = b.arms[(b.arms["arm"] == arm) & (b.arms["quantity"] == quantity)]
    return found[found["metric"] == metric] if metric else found


def _of_decoy(b: Benchmark) -> Iterator[str]:
    alarms = _lines(b, "decoy", "false alarms", TAG)
    if len(alarms):
        methods = alarms[~alarms["baseline"].astype(bool)].sort_values("estimate")
        random = alarms[alarms["method"] == "random"]["estimate"]
        low, high = methods.iloc[0], methods.iloc[-1]
        beside = f"; a random map {percent(random.iloc[0])}" if len(random) else ""
        yield (
            f"Decoy: the tag means nothing to the main models, yet a map has more than {TWICE:g} × its area of heat on it in "
            f"{percent(low['estimate'])} (`{low['method']}`) to {percent(high['estimate'])} (`{high['method']}`) of maps{beside}."
        )
    share = _lines(b, "distractors", "share of heat", BAR)
    if len(share):
        methods = share[~share["baseline"].astype(bool)]
        over = (methods["estimate"] / methods["chance"]).set_axis(methods["method"]).sort_values()
        yield (
            f"Distractors (bars of a lesion's area and contrast) get {value(over.iloc[0])} to {value(over.iloc[-1])} times the "
            f"heat of an even map, from `{over.index[0]}` to `{over.index[-1]}`."
        )


def _of_shortcuts(b: Benchmark) -> Iterator[str]:
    falls = _lines(b, "shortcut", "fall of the logit without the tag").sort_values("part")
    if len(falls):
        words = ", ".join(f"{line['part']}: {interval(line)}" for line in falls.to_dict("records"))
        yield f"Verified reliance on the tag, mean fall of the nodule's logit without it: {words}."
    flags = _lines(b, "shortcut", "false alarms")
    flags = flags[~flags["baseline"].astype(bool)]
    if len(flags):
        words = ", ".join(
            f"{part}: {percent(group['estimate'].min())} to {percent(group['estimate'].max())}"
            for part, group in flags.sort_values("part").groupby("part")
        )
        yield f"Maps with more than {TWICE:g} × the tag's area of heat on it, lowest to highest method: {words}."
    found = _lines(b, "shortcut", "Spearman with the fall").sort_values("estimate", ascending=False)
    for part, where in (
        ("all", "over the films of all models"),
        ("within models", "over films within each model"),
    ):
        here = found[found["part"] == part]
        methods, blind = here[~here["baseline"].astype(bool)], here[here["baseline"].astype(bool)]
        if len(methods):
            best, last = methods.iloc[0].to_dict(), methods.iloc[-1].to_dict()
            words = ", ".join(
                f"{line['method']} {interval(line)}" for line in blind.to_dict("records")
            )
            yield (
                f"Does heat on the tag grow with the reliance, {where}? Spearman's interval lies above 0 for "
                f"{int((methods['low'] > 0).sum())} of {len(methods)} methods: from `{best['method']}` {interval(best)} down to "
                f"`{last['method']}` {interval(last)}. Maps blind to the model: {words}."
            )


def _of_nulls(b: Benchmark) -> Iterator[str]:
    for arm in ("untrained", "permuted"):
        found = _lines(b, arm, "above chance")
        found = found[
            found["metric"].isin([metric for metric, _ in b.metrics]) | found["metric"].isin(CHIEF)
        ]
        known, above = found[found["low"].notna()], found[found["low"] > 0]
        if len(found) and known.empty:
            yield f"Null, {arm}: too few films for an interval, so nothing is said of {len(found)} means."
        elif len(found):
            yield f"Null, {arm}: of {len(known)} means (method × metric) {len(above)} lie above chance beyond their interval."
            for metric, part in above.groupby("metric", sort=False):
                methods = _code(list(dict.fromkeys(part["method"])))
                yield f"Null, {arm}: above chance by {title(str(metric), str(part['output'].iloc[0]))}: {methods}."


def _of_specificity(b: Benchmark) -> Iterator[str]:
    found = _lines(b, "main", "own − other")
    methods = found[~found["baseline"].astype(bool)]
    for part, group in (
        methods.dropna(subset="estimate").sort_values("estimate").groupby("part", sort=True)
    ):
        ends = [group.iloc[k] for k in sorted({0, len(group) - 1})]
        words = " to ".join(f"`{line['method']}` {interval(line.to_dict())}" for line in ends)
        yield (
            f"Class specificity on films with both lesions (AP on the own − on the other evidence), {part} methods: {words}, "
            f"{ends[0]['rows']} maps."
        )


def _of_conjunction(b: Benchmark) -> Iterator[str]:
    found = _lines(b, "main", "score", "iou_area_matched")
    pair = [
        found[(found["part"] == part) & ~found["baseline"].astype(bool)].set_index("method")[
            "over_ceiling"
        ]
        for part in ("single", "conjunction")
    ]
    if all(len(part) for part in pair):
        single, both = pair
        fewer = int((both < single).sum())
        yield (
            f"Conjunction “nodule and cavity”: area-matched IoU ÷ ceiling has a median over methods of {value(both.median())}, "
            f"against {value(single.median())} for the single labels; lower for {fewer} of {len(both)} methods."
        )


def _of_sizes(b: Benchmark) -> Iterator[str]:
    found = _lines(b, "main", "score", "iou_area_matched")
    chosen = found[
        ~found["baseline"].astype(bool) & found["part"].isin(["small", "medium", "large"])
    ]
    if chosen["part"].nunique() > 1:
        words = [
            f"{part} {value(group['estimate'].median())} ({value(group['over_ceiling'].median())} of the ceiling)"
            for part, group in chosen.groupby("part", sort=False)
        ]
        yield f"Size of the largest lesion: area-matched IoU, median over methods: {names(words)}."


def _of_real(b: Benchmark) -> Iterator[str]:
    uses = b.uses[b.uses["arm"] == "semi"]
    if len(uses):
        passed = int(uses["passed"].sum())
        rest = "only these are scored." if passed else "none does, so no map is scored there."
        yield (
            f"On {b.about['real_films']} real radiographs with pasted lesions, {passed} of {len(uses)} pairs of a model and a "
            f"label pass the proof ({percent(passed / len(uses))}); {rest}"
        )


def _of_agreement(b: Benchmark) -> Iterator[str]:
    known = b.agreement[b.agreement["kendall_w"].notna()]
    if len(known):
        words = ", ".join(
            f"{line['among']} {line['kendall_w']:.2f} ({line['rankings']})"
            for line in known.to_dict("records")
        )
        yield f"Kendall's W of the methods' rankings (1: all agree; in brackets the rankings compared): {words}."
