"""The command line: thin commands over the package. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camlucida import __version__
from camlucida.errors import CamlucidaError, UsageError

if TYPE_CHECKING:
    from camlucida.models import LoadedModel

app = typer.Typer(
    name="camlucida",
    help="Lay what a medical-imaging model used over the image. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

OK, SOME_FAILED, WRONG_REQUEST = 0, 1, 2
INTERRUPTED = 130

ModelOption = Annotated[str, typer.Option("--model", "-m", help="Model card (TOML), or a factory such as torchvision:resnet50.")]
FactoryOption = Annotated[str | None, typer.Option(help="In place of the card's factory: net.py:build, torchvision:resnet50, …")]
CheckpointOption = Annotated[str | None, typer.Option(help="In place of the card's checkpoint: .pth, .pt, .safetensors.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: typed errors become one line and an exit code (1: some item failed; 2: usage or configuration)."""
    try:
        app(args=list(arguments) if arguments is not None else None)
    except CamlucidaError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(WRONG_REQUEST)
    except BrokenPipeError:
        sys.exit(SOME_FAILED)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(WRONG_REQUEST)


def _version(asked: bool) -> None:
    if asked:
        print(f"camlucida {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    pass


@app.command("explain")
def explain_command(
    images: Annotated[list[str], typer.Argument(help="Image files, folders or globs: PNG, JPEG, TIFF, BMP, DICOM.")],
    model: ModelOption,
    factory: FactoryOption = None,
    checkpoint: CheckpointOption = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="A label or its index; predicted, top3, above:0.5, all, diff:A|B; output+ or output- (regression); region, "
            "region:LABEL, component:1, pixel:ROW,COLUMN, mask:FILE[:LABEL] (segmentation). Repeatable. Default: multi-label the "
            "top 3, multi-class the predicted, regression both signs of the output, segmentation the predicted region."
        ),
    ] = None,
    method: Annotated[list[str] | None, typer.Option(help="See `camlucida methods`. Repeatable. Default: gradcam.")] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(help="auto, an alias (encoder_last), or a path (layer4[-1]). Repeatable. Default: the card's."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for pictures, maps and index.html.")] = Path("explanations"),
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images in one forward. Default: 8 on a CPU, 32 on a GPU.")
    ] = None,
    colormap: Annotated[
        str | None, typer.Option(help="A matplotlib colormap, for instance jet. Default: inferno. Signed maps keep bwr.")
    ] = None,
    frame: Annotated[int | None, typer.Option(min=0, help="Frame of multi-frame files, from 0. Default: the first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print explanations.json on standard output.")] = False,
) -> None:
    """Explain images: overlays, heat maps, numeric maps, masks, boxes, explanations.json and index.html."""
    from camlucida.figures.overlay import check_colormap
    from camlucida.io import expand_paths
    from camlucida.job import Failure, explain_to_folder
    from camlucida.methods import METHODS

    check_colormap(colormap)
    methods = list(dict.fromkeys(method or ["gradcam"]))
    for name in methods:
        METHODS[name]
    loaded = _load(model, factory, checkpoint, device)
    paths, missing = expand_paths(images)
    failures = [Failure(error.what.partition(": ")[2] or error.what, str(error)) for error in missing]
    with _folder(out), _progress(len(paths), "explaining") as progress:
        outcome = explain_to_folder(
            loaded,
            paths,
            out,
            targets=_targets(target),
            methods=methods,
            layers=layer,
            colormap=colormap,
            batch_size=batch_size,
            frame=frame,
            command=shlex.join(["camlucida", *sys.argv[1:]]),
            failures=failures,
            progress=progress,
        )
    for failure in outcome.failures:
        print(f"error: {failure.error}", file=sys.stderr)
    warnings = {(record["id"], warning): None for record in outcome.records for warning in record["warnings"]}
    for note in [*outcome.notes, *(f"{name}: {warning}" for name, warning in warnings)]:
        print(f"note: {note}", file=sys.stderr)
    if as_json:
        print(json.dumps(outcome.records, indent=2, ensure_ascii=False))
    else:
        total = len(paths) + len(missing)
        print(f"{outcome.explained} of {total} images explained, {len(outcome.records)} explanations: {outcome.index}")
        for record in outcome.records:
            print(f"  {_line(record)}")
    if outcome.failures:
        raise typer.Exit(SOME_FAILED)


@app.command("evaluate")
def evaluate_command(
    images: Annotated[
        list[str],
        typer.Argument(help="Image files, folders or globs; or a folder that evaluate wrote: its statistics again, no model."),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Model card (TOML) or factory. Repeatable: each model gets a folder of its own."),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="As in explain. Repeatable. Default: the labels marked in the image, else true of it, else the task's."
        ),
    ] = None,
    method: Annotated[list[str] | None, typer.Option(help="See `camlucida methods`. Repeatable. Default: gradcam.")] = None,
    layer: Annotated[list[str] | None, typer.Option(help="As in explain. Repeatable. Default: the card's.")] = None,
    masks: Annotated[Path | None, typer.Option(help="Folder of LABEL/ID.png, ID_LABEL.png or ID.png.")] = None,
    boxes: Annotated[
        Path | None, typer.Option(help="Table of boxes: image, label, x, y, width, height (original pixels).")
    ] = None,
    rle: Annotated[Path | None, typer.Option(help="CheXlocalize masks: {image: {label: {size, counts}}}.")] = None,
    polygons: Annotated[
        Path | None, typer.Option(help="CheXlocalize outlines: {image: {label: [[[x, y], …]], img_size}}.")
    ] = None,
    regions: Annotated[
        Path | None, typer.Option(help="Folder like --masks, of places to watch: lungs, heart, a plaster.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="CSV, XLSX, Parquet or JSON: patients, labels, splits of the images.")
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Of the table: names the image.")] = None,
    patient_column: Annotated[str | None, typer.Option(help="Of the table: who is resampled for the intervals.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Of the table: labels joined by |. Else a 0/1 column a label.")] = None,
    split_column: Annotated[str | None, typer.Option(help="Of the table: train, val, test.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split; patients who are also in another are left out.")] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(help="default, all, a family (faithfulness, localisation, sanity, …) or names. Repeatable."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of iou_tuned, dice_tuned: tuned on other images.")
    ] = None,
    baselines: Annotated[str, typer.Option(help="all, none, or names joined by commas.")] = "all",
    seed: Annotated[int, typer.Option(min=0, help="Of ties and noise.")] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables, figures and evaluation.html.")] = Path(
        "evaluation"
    ),
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Altered images in one forward. Default: 8 on a CPU, 32 on a GPU.")
    ] = None,
    frame: Annotated[int | None, typer.Option(min=0, help="Frame of multi-frame files, from 0. Default: the first.")] = None,
) -> None:
    """Measure explanations: faithfulness, localisation, sanity, stability, beside baselines, with intervals by patient."""
    from camlucida.evaluation.choice import choose, choose_baselines
    from camlucida.evaluation.cohort import read_cohort
    from camlucida.evaluation.job import ABOUT, Source, describe, estimate, read, run, write
    from camlucida.evaluation.measure import Settings
    from camlucida.evaluation.truth import read_regions, read_truth
    from camlucida.files import slug
    from camlucida.io import expand_paths
    from camlucida.job import versions
    from camlucida.methods import METHODS
    from camlucida.report.evaluation_folder import present

    if not model:
        if len(images) == 1 and (Path(images[0]) / ABOUT).is_file():
            folder = Path(images[0])
            _report_evaluation(*present(folder, read(folder), None))
            return
        raise UsageError("no --model is given, and the images are no folder that `camlucida evaluate` wrote", "give --model CARD")
    methods = tuple(dict.fromkeys(method or ["gradcam"]))
    for name in methods:
        METHODS[name]
    settings = Settings(
        targets=tuple(_targets(target) or ()) or None,
        methods=methods,
        layers=tuple(layer) if layer else None,
        metrics=choose(metrics or ["default"], threshold),
        baselines=choose_baselines(baselines),
        threshold=threshold,
        batch_size=batch_size,
        seed=seed,
    )
    paths, missing = expand_paths(images)
    failed = False
    for name in model:
        loaded = _load(name, None, None, device)
        labels = loaded.card.labels
        cohort = read_cohort(
            paths,
            table=table,
            id_column=id_column,
            patient_column=patient_column,
            split_column=split_column,
            label_column=label_column,
            split=split,
            labels=labels,
        )
        marks = {"masks": masks, "boxes": boxes, "rle": rle, "polygons": polygons}
        truth = read_truth(**marks, labels=labels) if any(marks.values()) else None
        watched = read_regions(regions) if regions else None
        source = Source(loaded, cohort, settings, truth, watched, frame)
        place = out / slug(loaded.name) if len(model) > 1 else out
        with _folder(out), _folder(place):
            print(estimate(source), file=sys.stderr)
            with _progress(len(cohort.items), f"evaluating {loaded.name}") as progress:
                evaluated = run(source, progress=progress)
            evaluated.tables.failures[:0] = [(error.what, str(error)) for error in missing]
            command = shlex.join(["camlucida", *sys.argv[1:]])
            evaluated.about = describe(source, evaluated, command, versions())
            write(place, evaluated)
            for _, error in evaluated.tables.failures:
                print(f"error: {error}", file=sys.stderr)
            for note in evaluated.tables.notes:
                print(f"note: {note}", file=sys.stderr)
            failed |= bool(evaluated.tables.failures)
            if len(evaluated.tables.rows):
                _report_evaluation(*present(place, evaluated, source))
    if failed:
        raise typer.Exit(SOME_FAILED)


def _report_evaluation(page: Path, summary: Any) -> None:
    """The first numbers of an evaluation, and where the rest is."""
    from camlucida.evaluation.summary import headline, pooled, title

    table = pooled(summary)
    for name, on in headline(summary):
        part = table[(table["metric"] == name) & (table["on"] == on)]
        for line in part.to_dict("records"):
            bounds = (
                f" [{line['low']:.3g}, {line['high']:.3g}]"
                if line["how"] != "none"
                else f" (no interval: {line['patients']} patients)"
            )
            kind = "baseline " if line["baseline"] else ""
            print(f"{title(name, on)}: {kind}{line['method']} at {line['layer']} {line['estimate']:.3g}{bounds}")
    print(f"tables: {page.parent}/rows.parquet, summary.csv, differences.csv")
    print(f"page:   {page}")


@app.command("run")
def run_command(
    cohort: Annotated[Path, typer.Argument(help="COHORT.toml: images, table, models, what to explain.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run's folder. Default: runs/NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is there.")] = False,
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images in one forward. Default: the run's own, else 8 on a CPU, 32 on a GPU.")
    ] = None,
) -> None:
    """Explain and predict a cohort into a folder that survives a kill at any moment."""
    from camlucida.cohort import read_config
    from camlucida.files import slug
    from camlucida.job import versions
    from camlucida.runs import execute

    place = out or Path("runs") / slug(read_config(cohort).name)
    about = {"command": shlex.join(["camlucida", *sys.argv[1:]]), "versions": versions()}
    try:
        with _folder(place), _progress(None, "running") as progress:
            outcome = execute(cohort, place, resume=resume, device=device, batch_size=batch_size, about=about, progress=progress)
    except KeyboardInterrupt:
        print(f"error: interrupted; go on with: camlucida run {cohort} --out {place} --resume", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    for _, error in outcome.failures:
        print(f"error: {error}", file=sys.stderr)
    for note in outcome.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{outcome.counts['done']} of {sum(outcome.counts.values())} items done: {place}")
    if outcome.failures:
        raise typer.Exit(SOME_FAILED)


@app.command("runs")
def runs_command(
    folder: Annotated[Path, typer.Argument(help="Folder that holds runs, or a run.")] = Path("runs"),
) -> None:
    """List runs: how many items are done, failed and pending, of which models."""
    from camlucida.runs import Run, find_runs

    found = [Run.open(place) for place in find_runs(folder)]
    names = [", ".join(model["name"] for model in run.about["models"]) for run in found]
    rows = [(str(run.folder.root), run.about["name"], *map(str, run.counts.values()), name) for run, name in zip(found, names)]
    _table(("run", "cohort", "done", "failed", "pending", "models"), rows)


@app.command("show")
def show_command(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show a run: what was asked of which models, what is done, what failed and why, where the files are."""
    from camlucida.runs import Run

    summary = Run.open(run).summary()
    if as_json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
        return
    for key, value in summary.items():
        lines = [f"{name}: {item}" for name, item in value.items()] if isinstance(value, dict) else value
        lines = lines if isinstance(lines, list) else [lines]
        print("".join(f"{key if i == 0 else '':12}{line}\n" for i, line in enumerate(lines)), end="")


@app.command("layers")
def layers_command(
    model: ModelOption,
    factory: FactoryOption = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = "auto",
    every: Annotated[bool, typer.Option("--all", help="Also layers without a spatial grid.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Run the model once and list what fires, in order: path, type, output shape, stride; → marks what auto takes."""
    from dataclasses import asdict

    import torch

    from camlucida.layers import list_layers
    from camlucida.modelstate import unwrap

    loaded = _load(model, factory, checkpoint, device)
    spec = loaded.card.input
    weight = next(loaded.module.parameters())
    images = torch.zeros(1, spec.channels, *spec.height_width, device=weight.device, dtype=weight.dtype)
    found = [info for info in list_layers(unwrap(loaded.module), images) if info.grid or every]
    if as_json:
        print(json.dumps([asdict(info) for info in found], indent=2))
        return
    rows = [
        ("→" if info.auto else "", info.path, info.type, "×".join(map(str, info.shape)), _stride(info.stride), str(info.calls))
        for info in found
    ]
    _table(("", "layer", "type", "output", "stride (px)", "calls"), rows)


@app.command("methods")
def methods_command(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the methods: what each is, its cost in forwards, whether it is class-specific, its paper."""
    from camlucida.methods import METHODS

    items = [item for _, item in METHODS.items()]
    if as_json:
        fields = ("name", "title", "summary", "cost", "class_specific", "relu", "paper")
        print(json.dumps([{key: getattr(item, key) for key in fields} for item in items], indent=2, ensure_ascii=False))
        return
    rows = [(i.name, i.summary, i.cost, "yes" if i.class_specific else "NO", i.paper) for i in items]
    _table(("method", "what it is", "cost", "class-specific", "paper"), rows)


@app.command("metrics")
def metrics_command(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the metrics: family, which end is better, range, what a map that knows nothing scores, cost, source."""
    from camlucida.metrics import METRICS

    items = [item for _, item in METRICS.items()]
    if as_json:
        fields = ("name", "title", "family", "direction", "range", "chance", "cost", "source")
        print(json.dumps([{key: getattr(item, key) for key in fields} for item in items], indent=2, ensure_ascii=False))
        return
    rows = [(i.name, i.family, i.direction, i.range_text, i.chance, i.cost, i.source) for i in items]
    _table(("metric", "family", "better", "range", "chance", "cost", "source"), rows)


@app.command("demo")
def demo_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for everything the demo writes.")] = Path("demo"),
    device: DeviceOption = "auto",
) -> None:
    """Explain ten SYNTHETIC radiographs with three models that come with the package, one of which cheats."""
    from camlucida.demo import run_demo

    with _folder(out), _progress(None, "demo") as progress:
        result = run_demo(out, device, progress)
    for line in result.lines:
        print(line)
    print(f"pictures: {out}/*/*.png")
    print(f"index:    {result.index}")


@app.command("benchmark")
def benchmark_command(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer films: at most 10 minutes on two cores.")] = False,
    method: Annotated[
        list[str] | None,
        typer.Option(help="A method of your own, module:function, beside all registered ones. Repeatable."),
    ] = None,
    films: Annotated[Path | None, typer.Option(help="Folder of real chest radiographs: lesions are pasted on them, too.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables, figures and benchmark.html.")] = Path("benchmark"),
    device: DeviceOption = "auto",
    seed: Annotated[int, typer.Option(min=0, max=9, help="Of films, ties and noise: another seed, other films.")] = 0,
) -> None:
    """Put methods and metrics to the test on SYNTHETIC radiographs whose evidence is known, with models proven to use it."""
    from camlucida.benchmark.run import run_benchmark

    with _folder(out):
        found = run_benchmark(
            out,
            quick=quick,
            own=method or [],
            films=films,
            device=device,
            seed=seed,
            command=shlex.join(["camlucida", *sys.argv[1:]]),
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
    for line in found.board[found.board["place"].notna()].to_dict("records"):
        print(f"{line['place']:.0f}. {line['method']}: mean rank {line['rank']:.3g}, {1000 * line['seconds']:.0f} ms a map")
    passed = found.meta["kept"].astype(bool)
    print(f"metrics: {int(passed.sum())} of {len(passed)} passed their own test")
    print(f"tables:  {out}/leaderboard.csv, summary.csv, meta.csv, verified.csv, arms.csv, rows.parquet")
    print(f"page:    {out}/benchmark.html")


@app.command("evaluate-predictions")
def evaluate_predictions_command(
    file: Annotated[Path, typer.Argument(help="Predictions of any system: CSV, TSV, XLSX, Parquet or JSON.")],
    task: Annotated[str, typer.Option(help="multilabel, binary, multiclass, regression, segmentation.")],
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Multi-label: positive from this probability up.")] = 0.5,
    patient_column: Annotated[str | None, typer.Option(help="Who is resampled for the intervals.")] = None,
    group_column: Annotated[list[str] | None, typer.Option(help="Also figures of each value of this column. Repeatable.")] = None,
    bin_width: Annotated[
        float | None, typer.Option(help="Regression: also errors by true value, in groups this wide, such as 10.")
    ] = None,
    within: Annotated[
        list[float] | None, typer.Option(help="Regression: share of errors of at most this. Repeatable. Default: 5, 10, 15.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="ROLE=NAME, where a column is not found: image, model, label, truth, prediction, … Repeatable."),
    ] = None,
    class_name: Annotated[
        list[str] | None, typer.Option("--class", help="A label, or the classes in their order. Repeatable. Default: the file's.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables and figures.")] = Path("predictions_evaluation"),
) -> None:
    """Evaluate predictions that exist, without running a model: figures with intervals by patient and chance levels."""
    from camlucida.cohort.predictions_job import evaluate_file, write_evaluated
    from camlucida.cohort.regression import WITHIN
    from camlucida.cohort.report_table import Settings
    from camlucida.figures.predictions import save_figures

    named = [word.partition("=") for word in column or []]
    for role, sign, name in named:
        if not (role and sign and name):
            raise UsageError(f"--column {role}{sign}{name}", "write ROLE=NAME, such as truth=age")
    columns = {role: name for role, _, name in named} | ({"patient": patient_column} if patient_column else {})
    settings = Settings(threshold, tuple(within or WITHIN), bin_width)
    with _folder(out):
        found = evaluate_file(file, task, settings, columns=columns, groups=group_column or [], labels=class_name or [])
        written = write_evaluated(out, found)
        if found.predictions is not None:
            written += save_figures(out, found.predictions, found.figures, threshold)
    for error in found.errors:
        print(f"error: {error}", file=sys.stderr)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    heads = ("model", "metric", "label", "group", "estimate", "interval", "chance", "n", "patients", "positives")
    _table(heads, [_prediction_line(line) for line in found.figures.to_dict("records")])
    print("written: " + ", ".join(map(str, written)), file=sys.stderr)
    if found.errors:
        raise typer.Exit(SOME_FAILED)


def _prediction_line(line: dict[Any, Any]) -> tuple[str, ...]:
    """A figure as cells of the printed table; blank for a number that does not exist."""

    def word(name: str, digits: str = ".4g") -> str:
        return "" if line[name] != line[name] else f"{line[name]:{digits}}"

    bounds = "none" if line["how"] == "none" else f"{word('low')} to {word('high')}"
    counts = (str(line["n"]), str(line["patients"]), word("positives", ".0f"))
    return (line["model"], line["metric"], line["label"], line["group"], word("estimate"), bounds, word("chance"), *counts)


def _load(card: str, factory: str | None, checkpoint: str | None, device: str) -> LoadedModel:
    from camlucida.models import load_model

    return load_model(card, factory=factory, checkpoint=checkpoint, device=device)


def _targets(words: Sequence[str] | None) -> list[Any] | None:
    """Targets as ``explain`` takes them; ``mask:FILE`` is read here, for only the shell knows of files."""
    return [_mask_target(word[5:]) if word.startswith("mask:") else word for word in words] if words else None


def _mask_target(words: str) -> Any:
    """``FILE``, or ``FILE:LABEL`` where no file has the whole name."""
    import torch

    from camlucida.io import read_image
    from camlucida.targets import given_mask

    path, _, label = words.rpartition(":")
    if not path or Path(words).exists():
        path, label = words, ""
    try:
        pixels = read_image(path).pixels
    except CamlucidaError as error:
        raise UsageError(f"--target mask:{path}: {error.what}", error.fix) from error
    return given_mask(torch.from_numpy(pixels if pixels.ndim == 2 else pixels.mean(2)) > 0.5, label or None)


@contextmanager
def _folder(out: Path) -> Iterator[None]:
    """``out``, made if missing; taken away again if the request turns out wrong before anything is written."""
    try:
        new = not out.exists()
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):  # an existing folder may be read-only
            pass
    except OSError as error:
        raise UsageError(f"--out {out}: {error.strerror}", "give a folder that can be written") from error
    try:
        yield
    except CamlucidaError:
        if new and not any(out.iterdir()):
            out.rmdir()
        raise


def _line(record: dict[str, Any]) -> str:
    p = "" if record["probability"] is None else f", p {record['probability']:.3f}"
    empty = f"; no evidence: {record['empty_reason']}" if record["empty"] else ""
    score = f"{record['score_kind']} {record['score']:.3f}{p}"
    return f"{record['id']}: {record['target']} ({score}) {record['method']} at {record['layer']}{empty}"


def _stride(stride: Sequence[float]) -> str:
    sides = [f"{side:g}" for side in stride]
    return sides[0] if len(set(sides)) == 1 else "×".join(sides)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns for people; on a terminal rich wraps them, in a pipe they are tab-separated and whole."""
    if not sys.stdout.isatty():
        print("\n".join("\t".join(row) for row in (head, *rows)))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


@contextmanager
def _progress(total: int | None, what: str) -> Iterator[Any]:
    """A progress bar on standard error; yields a function that takes how many items were done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done=1, total=None: bar.update(task, advance=done, **({} if total is None else {"total": total}))
