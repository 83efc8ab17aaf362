"""``camlucida benchmark``: measure every arm, then write tables, figures, page and Markdown."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch

from camlucida.attribution.engine import explain
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import UsageError
from camlucida.core.files import write_json
from camlucida.core.messages import Message, Value
from camlucida.core.provenance import versions
from camlucida.evaluation.maps.measure import MetricSettings, measure
from camlucida.evaluation.maps.summary import summarise
from camlucida.io.tables import write_table
from camlucida.metrics.multilabel import DECISION_THRESHOLD
from camlucida.models.preprocessing import unit_scale
from camlucida.phantom.version import TRIAL_FILES, generator_version
from camlucida.workflows.benchmark import arms
from camlucida.workflows.benchmark.arms import ArmModel, Scored, Size
from camlucida.workflows.benchmark.custom_method import OWN, registered
from camlucida.workflows.benchmark.films import RATIO, Twins, samples, seeds
from camlucida.workflows.benchmark.leaderboard import (
    cost,
    gains_over_baselines,
    leaderboard,
    permuted_reference,
    ranks_of,
)
from camlucida.workflows.benchmark.meta import META, RUNGS, kept, verdicts
from camlucida.workflows.benchmark.page import write_report
from camlucida.workflows.benchmark.parts import Parts
from camlucida.workflows.benchmark.real_films import RealFilm, pasted, real_films
from camlucida.workflows.benchmark.result import Benchmark
from camlucida.workflows.benchmark.tables import ALARM_RATIO, BLIND_BASELINES, arms_table

Report = Callable[[str], object]
EXPECTED = {
    "main": 6,
    "shortcut50": 2,
    "shortcut80": 2,
    "shortcut100": 2,
    "permuted": 2,
    "untrained": 2,
}
"""Models of each arm in a whole copy of the package."""
LABELS_PER_FILM = 1.6
"""About how many labels of a film are scored."""


def run_benchmark(
    out: Path,
    *,
    quick: bool = False,
    custom: Sequence[str] = (),
    films: Path | None = None,
    device: str = "auto",
    seed: int = 0,
    size: Size | None = None,
    command: str = "camlucida benchmark",
    report: Report = lambda line: None,
) -> Benchmark:
    """Score every registered method but those by name, and the user's; write all into ``out``.

    Args:
        out: made if missing; files of the same name are replaced. A run that was stopped goes on
            there, unless it has a method of the user's, whose code may have changed.
        quick: fewer films.
        custom: methods of the user's, ``module:function``, and names of registered ones that are
            scored only where they are named: slow ones, and those of pixels, whose maps are
            averaged over the layer's cells.
        films: folder of real radiographs for the semi-synthetic arm.
        device: as in ``load_model``.
        seed: of films, ties and noise: other seeds are other films.
        size: films of each arm; None: by ``quick``.
        command: for the record.
        report: called with a line on each step.

    Raises:
        UsageError: no main model in this copy, a wrong method or folder.
    """
    start = time.perf_counter()
    real, problems = real_films(films) if films is not None else ([], [])
    with registered(custom) as names:
        models = arms.arm_models(device)
        if not arms.of_arm(models, "main"):
            raise UsageError(
                "this copy has no trained model of the benchmark",
                "python scripts/train_trial.py makes them",
            )
        methods = tuple(dict.fromkeys((*arms.methods(), *names)))
        settings = MetricSettings(methods=methods, metrics=arms.DEFAULT, seed=seed)
        size = size or (arms.QUICK if quick else arms.FULL)
        notes = _missing(models)
        own = [name for name in names if METHODS[name].paper == OWN]
        _try(models, own, seed)
        report(estimate(models, size, len(real), settings))
        parts = Parts.of(out, _request(models, size, real, settings))
        if own:
            parts.remove()
        scored, earlier = _measure(models, size, real, settings, report, parts)
        benchmark = tabulated(scored, _costs(models, settings))
    for entries in scored.values():
        for entry in entries:
            problems += entry.failures
    benchmark.about = {
        "command": command,
        "generator_version": generator_version(TRIAL_FILES),
        "models": [_model_record(entry, seed) for entry in models],
        "versions": versions(),
        "device": str(next(models[0].model.module.parameters()).device),
        "threads": torch.get_num_threads(),
        "seconds": earlier + time.perf_counter() - start,
        "size": asdict(size),
        "quick": quick,
        "seed": seed,
        "settings": asdict(replace(settings, targets=None)),
        "rules": {"threshold": DECISION_THRESHOLD, "ratio": RATIO, "alarm_ratio": ALARM_RATIO},
        "custom_methods": list(names),
        "real_films": len(real),
        "notes": [note.to_json() for note in notes],
        "failures": problems,
        "notice": "SYNTHETIC films. Research use only",
    }
    write(out, benchmark)
    parts.remove()
    return benchmark


def _request(
    models: Sequence[ArmModel], size: Size, real: Sequence[RealFilm], settings: MetricSettings
) -> dict[str, Any]:
    """Whatever decides the numbers of a run."""
    films = [(film.name, hashlib.sha256(film.pixels.tobytes()).hexdigest()) for film in real]
    return {
        "versions": versions(),
        "generator_version": generator_version(TRIAL_FILES),
        "models": [(entry.name, entry.model.sha256) for entry in models],
        "device": str(next(models[0].model.module.parameters()).device),
        "size": asdict(size),
        "settings": asdict(settings),
        "tested": arms.TESTED,
        "films": films,
    }


def _try(models: Sequence[ArmModel], names: Sequence[str], seed: int) -> None:
    """Run the user's methods on one film of each main architecture: a wrong one fails early."""
    if not names:
        return
    for entry in arms.first_of_each_net(arms.of_arm(models, "main")).values():
        (film,) = arms.films_of(entry, 1, seed)
        explain(entry.model, [film.scan], target=film.labels[0], method=list(names))


def tabulated(scored: Mapping[str, Sequence[Scored]], seconds: pd.DataFrame) -> Benchmark:
    """All tables, from the measurements of the arms.

    Args:
        scored: "main", "shortcut", "null", "semi" → one entry a model.
        seconds: from :func:`~camlucida.workflows.benchmark.leaderboard.cost`.

    Raises:
        UsageError: no main model passed the proof on any film.
    """
    same = common_duplicates([entry.same for entry in scored["main"] if len(entry.rows)])
    repeated = set(chain.from_iterable(group[1:] for group in same))
    parts = {}
    for name, entries in scored.items():
        rows = _concatenated([entry.rows for entry in entries])
        parts[name] = rows[~rows["method"].isin(repeated)] if len(rows) else rows
    all_entries = list(chain.from_iterable(scored.values()))
    verification = _concatenated([entry.verification for entry in all_entries])
    tagged = [*scored["main"], *scored["shortcut"]]
    tag = _concatenated([entry.tag for entry in tagged])
    main = parts["main"]
    if main.empty:
        raise UsageError(
            "no main model passed the proof on any film",
            "give more films, or train the models again",
        )
    meta = verdicts(_concatenated([entry.meta for entry in scored["main"]]))
    passed = kept(meta)
    summary = summarise(main)
    ranks = ranks_of(main, passed)
    main_verification = verification[verification["arm"] == "main"]
    gains = gains_over_baselines(main, ranks.metrics, BLIND_BASELINES)
    return Benchmark(
        rows=_concatenated(list(parts.values())),
        meta=meta[list(META)],
        summary=summary,
        board=leaderboard(main, summary, ranks, seconds, same),
        verification=verification,
        arms=arms_table(parts | {"verification": main_verification, "tag": tag}),
        agreement=ranks.agreement,
        seconds=seconds,
        gains=pd.DataFrame(gains),
        gaps=ranks.gaps,
        reference=permuted_reference(parts["null"], ranks.metrics),
        metrics=ranks.metrics,
        same=same,
    )


def write(out: Path, benchmark: Benchmark) -> None:
    """Tables, ``benchmark.json``, figures, ``benchmark.html`` and ``benchmark.md``."""
    write_table(benchmark.rows, out / "rows.parquet")
    tables = {
        "summary": benchmark.summary,
        "leaderboard": benchmark.board,
        "meta": benchmark.meta,
        "verified": benchmark.verification,
        "arms": benchmark.arms,
    }
    for name, table in tables.items():
        write_table(table, out / f"{name}.csv")
    write_json(out / "benchmark.json", benchmark.about)
    write_report(out, benchmark)


def estimate(models: Sequence[ArmModel], size: Size, real: int, settings: MetricSettings) -> str:
    """The cost of the run in a line: maps, and minutes extrapolated from one film."""
    seconds = _seconds_a_map(arms.of_arm(models, "main")[0], settings)
    methods, baselines = len(settings.methods), len(settings.baselines)
    main = len(arms.of_arm(models, "main"))
    null = len(arms.of_arm(models, "permuted", "untrained"))
    maps = main * (size.main + real) * (methods + baselines)
    maps += main * size.meta * len(RUNGS) + null * size.null * methods
    maps = round(maps * LABELS_PER_FILM)
    return (
        f"cost: {len(models)} models, at most about {maps:,} maps at {seconds:.2f} s = "
        f"{maps * seconds / 60:.0f} minutes here; the shortcut arms, whose maps are not altered, "
        "are not counted"
    )


def _seconds_a_map(entry: ArmModel, settings: MetricSettings) -> float:
    # A slot of its own: the film is none of the benchmark's.
    films = arms.films_of(replace(entry, slot=99), 1, settings.seed)
    chosen = samples(films, {films[0].scan.id: films[0].labels[:1]})
    two = replace(settings, methods=settings.methods[:2])
    unit = unit_scale(entry.model.card.input)
    seconds = 0.0
    for _ in range(2):
        # The first pass warms up; the second counts.
        start = time.perf_counter()
        measure(entry.model, chosen, two, unit=unit)
        seconds = time.perf_counter() - start
    return seconds / (len(two.methods) + len(two.baselines))


class _Job(NamedTuple):
    """One model of one arm, and the measurement."""

    arm: str
    model: str
    run: Callable[[], Scored]


def _measure(
    models: Sequence[ArmModel],
    size: Size,
    real: Sequence[RealFilm],
    settings: MetricSettings,
    report: Report,
    parts: Parts,
) -> tuple[dict[str, list[Scored]], float]:
    """Arm → the measurements of each of its models; the seconds of those of an earlier run."""
    results: dict[str, list[Scored]] = {name: [] for name in ("main", "shortcut", "null", "semi")}
    jobs = list(_jobs(models, size, real, settings))
    earlier = 0.0
    for number, job in enumerate(jobs, 1):
        name = f"{job.arm}_{job.model}"
        finished = parts.read(name)
        if finished is not None:
            scored, seconds = finished
            results[job.arm].append(scored)
            earlier += seconds
            report(f"[{number}/{len(jobs)}] {job.arm} {job.model}: measured before")
            continue
        start = time.perf_counter()
        scored = job.run()
        results[job.arm].append(scored)
        proof = ""
        if len(scored.verification):
            passed = int(scored.verification["passed"].sum())
            proof = f", {passed} of {len(scored.verification)} labels verified"
        seconds = time.perf_counter() - start
        parts.write(name, scored, seconds)
        report(
            f"[{number}/{len(jobs)}] {job.arm} {job.model}: {len(scored.rows):,} rows{proof}, "
            f"{seconds:.0f} s"
        )
    return results, earlier


def _jobs(
    models: Sequence[ArmModel], size: Size, real: Sequence[RealFilm], settings: MetricSettings
) -> Iterator[_Job]:
    """All measurements, the main arm first."""
    seed, main = settings.seed, arms.of_arm(models, "main")
    for entry in main:
        yield _Job("main", entry.name, partial(_main, entry, size, settings))
    for entry in arms.shortcut_models(models):
        run = partial(arms.run_shortcut, entry, size.shortcut, seed, settings)
        yield _Job("shortcut", entry.name, run)
    for entry in arms.of_arm(models, "untrained", "permuted"):
        yield _Job("null", entry.name, partial(arms.run_null, entry, size.null, seed, settings))
    if real:
        short = replace(settings, metrics=arms.SHORT)
        for entry in main:
            yield _Job("semi", entry.name, partial(_semi, entry, real, size, short))


def _main(entry: ArmModel, size: Size, settings: MetricSettings) -> Scored:
    films = arms.films_of(entry, size.main, settings.seed)
    return arms.run_main(entry, films, size, settings)


def _semi(
    entry: ArmModel, real: Sequence[RealFilm], size: Size, settings: MetricSettings
) -> Scored:
    """Each real film with other lesions for each model; its seeds are the last of the model's."""
    spec = entry.model.card.input
    last_seeds = reversed(seeds(entry.slot, settings.seed))
    films: list[Twins] = [pasted(film, seed, spec) for film, seed in zip(real, last_seeds)]
    return arms.run_main(entry, films, size, settings, "semi")


def _costs(models: Sequence[ArmModel], settings: MetricSettings) -> pd.DataFrame:
    """Seconds of a map by each method, on the first main model of each architecture."""
    tables = []
    for entry in arms.first_of_each_net(arms.of_arm(models, "main")).values():
        (film,) = arms.films_of(entry, 1, settings.seed)
        tables.append(cost(entry.model, film.scan, film.labels[0], settings.methods))
    return _concatenated(tables)


def common_duplicates(same: Sequence[Mapping[str, str]]) -> list[tuple[str, ...]]:
    """Groups of methods whose maps are identical for every model."""
    if not same:
        return []
    common = set.intersection(*(set(pairs.items()) for pairs in same))
    groups: dict[str, list[str]] = {}
    for name, first in sorted(common):
        groups.setdefault(first, [first]).append(name)
    return [tuple(groups[first]) for first in sorted(groups)]


def _missing(models: Sequence[ArmModel]) -> list[Message]:
    """The arms that lack models in this copy."""
    missing = []
    for arm, expected in EXPECTED.items():
        present = len(arms.of_arm(models, arm))
        if present < expected:
            values: dict[str, Value] = {"arm": arm, "present": present, "expected": expected}
            missing.append(Message("benchmark_limits.missing_arm", values))
    return missing


def _model_record(entry: ArmModel, seed: int) -> dict[str, Any]:
    described = entry.model.card.description
    return {
        "name": entry.name,
        "arm": entry.arm,
        "sha256": entry.model.sha256,
        "first_film_seed": seeds(entry.slot, seed).start,
        "description": "random weights, seed 0" if entry.arm == arms.UNTRAINED else described,
    }


def _concatenated(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    present = [table for table in tables if len(table)]
    return pd.concat(present, ignore_index=True) if present else pd.DataFrame()
