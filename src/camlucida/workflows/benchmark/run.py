"""``camlucida benchmark``: measure every arm, then write tables, figures, page and Markdown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from camlucida.attribution.engine import explain
from camlucida.core.errors import UsageError
from camlucida.core.files import write_json
from camlucida.core.provenance import versions
from camlucida.evaluation.maps.measure import MetricSettings, measure
from camlucida.evaluation.maps.summary import summarise
from camlucida.io.tables import write_table
from camlucida.models.preprocessing import unit_scale
from camlucida.phantom.version import TRIAL_FILES, generator_version
from camlucida.workflows.benchmark import arms
from camlucida.workflows.benchmark.arms import Contender, Scored, Size
from camlucida.workflows.benchmark.films import RATIO, SAYS, Twins, samples, seeds
from camlucida.workflows.benchmark.leaderboard import (
    agreement,
    cost,
    leaderboard,
    over_baselines,
    ranked_by,
)
from camlucida.workflows.benchmark.meta import META, kept, verdicts
from camlucida.workflows.benchmark.own import registered
from camlucida.workflows.benchmark.page import write_report
from camlucida.workflows.benchmark.real import RealFilm, pasted, real_films
from camlucida.workflows.benchmark.result import Benchmark
from camlucida.workflows.benchmark.tables import TWICE, arms_table

Say = Callable[[str], object]
EXPECTED = {
    "main": 6,
    "shortcut50": 2,
    "shortcut80": 2,
    "shortcut100": 2,
    "permuted": 2,
    "untrained": 2,
}
"""Models of each arm in a whole copy of the package."""
LABELS_A_FILM = 1.6
"""About how many labels of a film are scored."""


def run_benchmark(
    out: Path,
    *,
    quick: bool = False,
    own: Sequence[str] = (),
    films: Path | None = None,
    device: str = "auto",
    seed: int = 0,
    size: Size | None = None,
    command: str = "camlucida benchmark",
    say: Say = lambda line: None,
) -> Benchmark:
    """Score every registered method, and the user's own, and write everything into ``out``.

    Args:
        out: made if missing; files of the same name are replaced.
        quick: fewer films.
        own: methods of the user's own, ``module:function``.
        films: folder of real radiographs for the semi-synthetic arm.
        device: as in ``load_model``.
        seed: of films, ties and noise: other seeds are other films.
        size: films of each arm; None: by ``quick``.
        command: for the record.
        say: is told what goes on, a line each.

    Raises:
        UsageError: no main model in this copy, a wrong method or folder.
    """
    start = time.perf_counter()
    real, problems = real_films(films) if films is not None else ([], [])
    with registered(own) as names:
        everyone = arms.contenders(device)
        if not arms.of_arm(everyone, "main"):
            raise UsageError(
                "this copy has no trained model of the benchmark",
                "python scripts/train_trial.py makes them",
            )
        settings = MetricSettings(
            methods=(*arms.methods(), *names), metrics=arms.DEFAULT, seed=seed
        )
        amount = size or (arms.QUICK if quick else arms.FULL)
        notes = _missing(everyone)
        _try(everyone, names, seed)
        say(estimate(everyone, amount, len(real), settings))
        found = _measure(everyone, amount, real, settings, say)
        seconds = _costs(everyone, settings)
        failures = problems + [
            line for scored in found.values() for each in scored for line in each.failures
        ]
        benchmark = tabulated(found, seconds)
    benchmark.about = {
        "command": command,
        "generator_version": generator_version(TRIAL_FILES),
        "models": [_described(each, seed) for each in everyone],
        "versions": versions(),
        "device": str(next(everyone[0].model.module.parameters()).device),
        "threads": torch.get_num_threads(),
        "seconds": time.perf_counter() - start,
        "size": asdict(amount),
        "quick": quick,
        "seed": seed,
        "settings": asdict(replace(settings, targets=None)),
        "rules": {"says": SAYS, "ratio": RATIO, "twice": TWICE},
        "own_methods": list(names),
        "real_films": len(real),
        "notes": notes,
        "failures": failures,
        "notice": "SYNTHETIC films. Research use only",
    }
    write(out, benchmark)
    return benchmark


def _try(everyone: Sequence[Contender], names: Sequence[str], seed: int) -> None:
    """Each method of the user's own on one film of each main architecture: a wrong one shows before the long run."""
    for each in (
        {each.net: each for each in arms.of_arm(everyone, "main")}.values() if names else ()
    ):
        (film,) = arms.films_of(each, 1, seed)
        explain(each.model, [film.scan], target=film.labels[0], method=list(names))


def tabulated(found: dict[str, list[Scored]], seconds: pd.DataFrame) -> Benchmark:
    """All tables, from what the arms gave."""
    parts = {name: _joined([each.rows for each in scored]) for name, scored in found.items()}
    uses = _joined([each.uses for scored in found.values() for each in scored])
    tag = _joined([each.tag for name in ("main", "shortcut") for each in found[name]])
    main = parts["main"]
    if main.empty:
        raise UsageError(
            "no main model passed the proof on any film",
            "give more films, or train the models again",
        )
    meta = verdicts(_joined([each.meta for each in found["main"]]))
    passed = kept(meta)
    summary = summarise(main)
    metrics = ranked_by(main, passed)
    own_uses = uses[uses["arm"] == "main"]
    return Benchmark(
        rows=_joined(list(parts.values())),
        meta=meta[list(META)],
        summary=summary,
        board=leaderboard(main, summary, passed, seconds),
        uses=uses,
        arms=arms_table(parts | {"uses": own_uses, "tag": tag}),
        agreement=agreement(main, passed),
        seconds=seconds,
        gains=pd.DataFrame(
            over_baselines(
                main, metrics, ("random", "center", "sobel", "intensity", "average_mask")
            )
        ),
        metrics=metrics,
        same=_shared([each.same for each in found["main"] if len(each.rows)]),
    )


def write(out: Path, benchmark: Benchmark) -> None:
    """Tables, ``benchmark.json``, figures, ``benchmark.html`` and ``benchmark.md``."""
    write_table(benchmark.rows, out / "rows.parquet")
    for name, table in (
        ("summary", benchmark.summary),
        ("leaderboard", benchmark.board),
        ("meta", benchmark.meta),
        ("verified", benchmark.uses),
        ("arms", benchmark.arms),
    ):
        write_table(table, out / f"{name}.csv")
    write_json(out / "benchmark.json", benchmark.about)
    write_report(out, benchmark)


def estimate(everyone: Sequence[Contender], size: Size, real: int, settings: MetricSettings) -> str:
    """What the run will cost: maps, and minutes by one film that is measured as all will be."""
    each = arms.of_arm(everyone, "main")[0]
    films = arms.films_of(replace(each, place=99), 1, settings.seed)
    chosen = samples(films, {films[0].scan.id: films[0].labels[:1]})
    asked = replace(settings, methods=settings.methods[:2])
    times = []
    for _ in range(2):  # the first warms up
        start = time.perf_counter()
        measure(each.model, chosen, asked, unit=unit_scale(each.model.card.input))
        times.append((time.perf_counter() - start) / (len(asked.methods) + len(asked.baselines)))
    full = len(settings.methods) + len(settings.baselines)
    count = {name: len(arms.of_arm(everyone, name)) for name in ("main", "permuted", "untrained")}
    maps = count["main"] * (size.main * full + size.meta * 11) + count["main"] * real * full
    maps += (count["permuted"] + count["untrained"]) * size.null * len(settings.methods)
    maps = round(maps * LABELS_A_FILM)
    return (
        f"cost: {len(everyone)} models, at most about {maps:,} maps at {times[-1]:.2f} s = {maps * times[-1] / 60:.0f} minutes "
        "here; beside them the shortcut arms, whose maps are not altered"
    )


def _measure(
    everyone: Sequence[Contender],
    size: Size,
    real: Sequence[RealFilm],
    settings: MetricSettings,
    say: Say,
) -> dict[str, list[Scored]]:
    """Arm → what each of its models gave."""
    found: dict[str, list[Scored]] = {name: [] for name in ("main", "shortcut", "null", "semi")}
    jobs = list(_jobs(everyone, size, real, settings))
    for number, (arm, name, job) in enumerate(jobs, 1):
        start = time.perf_counter()
        scored = job()
        found[arm].append(scored)
        proof = ""
        if len(scored.uses):
            proof = f", {int(scored.uses['passed'].sum())} of {len(scored.uses)} labels verified"
        say(
            f"[{number}/{len(jobs)}] {arm} {name}: {len(scored.rows):,} rows{proof}, {time.perf_counter() - start:.0f} s"
        )
    return found


def _jobs(
    everyone: Sequence[Contender], size: Size, real: Sequence[RealFilm], settings: MetricSettings
) -> Iterator[tuple[str, str, Callable[[], Scored]]]:
    """(arm, model, what to do), the main arm first."""
    seed, main = settings.seed, arms.of_arm(everyone, "main")
    for each in main:
        yield "main", each.name, partial(_main, each, size, settings)
    for each in arms.cheaters(everyone):
        yield "shortcut", each.name, partial(arms.run_shortcut, each, size.shortcut, seed, settings)
    for each in arms.of_arm(everyone, "untrained", "permuted"):
        yield "null", each.name, partial(arms.run_null, each, size.null, seed, settings)
    for each in main if real else ():
        yield (
            "semi",
            each.name,
            partial(_semi, each, real, size, replace(settings, metrics=arms.SHORT)),
        )


def _main(each: Contender, size: Size, settings: MetricSettings) -> Scored:
    return arms.run_main(each, arms.films_of(each, size.main, settings.seed), size, settings)


def _semi(
    each: Contender, real: Sequence[RealFilm], size: Size, settings: MetricSettings
) -> Scored:
    """Each real film with other lesions for each model; its seeds are the last of the model's."""
    films: list[Twins] = [
        pasted(film, at, each.model.card.input)
        for film, at in zip(real, reversed(seeds(each.place, settings.seed)))
    ]
    return arms.run_main(each, films, size, settings, "semi")


def _costs(everyone: Sequence[Contender], settings: MetricSettings) -> pd.DataFrame:
    """Seconds of a map by each method, on the first main model of each architecture."""
    first = {each.net: each for each in reversed(arms.of_arm(everyone, "main"))}
    tables = []
    for each in first.values():
        (film,) = arms.films_of(each, 1, settings.seed)
        tables.append(cost(each.model, film.scan, film.labels[0], settings.methods))
    return _joined(tables)


def _shared(each: Sequence[Mapping[str, str]]) -> list[tuple[str, ...]]:
    """Groups of methods that are one map for every model."""
    common = set.intersection(*(set(same.items()) for same in each))
    return [
        (first, *sorted(name for name, other in common if other == first))
        for first in sorted({first for _, first in common})
    ]


def _missing(everyone: Sequence[Contender]) -> list[str]:
    """A line for each arm that lacks models in this copy."""
    return [
        f"{arm}: {len(arms.of_arm(everyone, arm))} of {number} models are in this copy"
        for arm, number in EXPECTED.items()
        if len(arms.of_arm(everyone, arm)) < number
    ]


def _described(each: Contender, seed: int) -> dict[str, Any]:
    return {
        "name": each.name,
        "arm": each.arm,
        "sha256": each.model.sha256,
        "first_film_seed": seeds(each.place, seed).start,
        "description": each.model.card.description
        if each.arm != "untrained"
        else "random weights, seed 0",
    }


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    present = [table for table in tables if len(table)]
    return pd.concat(present, ignore_index=True) if present else pd.DataFrame()
