"""``camlucida layers``, ``methods`` and ``metrics``: what there is to choose from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

from camlucida.cli.common import (
    CheckpointKeyOption,
    CheckpointOption,
    DeviceOption,
    FactoryOption,
    GridOption,
    ModelOption,
    OutputOption,
    PrefixOption,
    app,
    finish,
    print_json,
    print_table,
)
from camlucida.cli.option_values import load, with_tokens

METHOD_FIELDS = ("name", "title", "summary", "cost", "class_specific", "relu", "paper")
METRIC_FIELDS = (
    *("name", "title", "family", "direction", "range", "chance", "cost", "failures", "source"),
)


@app.command("layers")
def layers_command(
    model: ModelOption,
    factory: FactoryOption = None,
    checkpoint: CheckpointOption = None,
    checkpoint_key: CheckpointKeyOption = None,
    output: OutputOption = None,
    device: DeviceOption = "auto",
    grid: GridOption = None,
    prefix: PrefixOption = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also layers without a spatial grid.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the layers of a model in the order of their calls; → marks the one that auto takes."""
    from dataclasses import asdict

    import torch

    from camlucida.models.grids import token_grid
    from camlucida.models.layer_list import list_layers
    from camlucida.models.state import unwrap

    loaded = load(model, factory, checkpoint, device, output, checkpoint_key=checkpoint_key)
    loaded = with_tokens(loaded, grid, prefix)
    weight = next(loaded.module.parameters())
    size = (1, *loaded.input_shape)
    images = torch.zeros(size, device=weight.device, dtype=weight.dtype)
    stated = token_grid(loaded.card.grid, loaded.card.prefix)
    module, about = unwrap(loaded.module), loaded.output_spec
    fired = list_layers(module, images, spec=about, stated=stated)
    layers = [info for info in fired if info.grid or every]
    if as_json:
        print_json([asdict(info) for info in layers])
        return
    head = ("", "layer", "type", "output", "grid", "stride (px)", "calls")
    print_table(head, [_layer_line(info) for info in layers])
    finish((), loaded.notes)


@app.command("methods")
def methods_command(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the methods: what each is, its cost in forward passes, class-specific or not, paper."""
    from camlucida.attribution.methods import METHODS

    methods = [method for _, method in METHODS.items()]
    if as_json:
        print_json(_fields(methods, METHOD_FIELDS))
        return
    rows = []
    for method in methods:
        class_specific = "yes" if method.class_specific else "NO"
        rows.append((method.name, method.summary, method.cost, class_specific, method.paper))
    print_table(("method", "what it is", "cost", "class-specific", "paper"), rows)


@app.command("metrics")
def metrics_command(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the metrics: family, better end, range, chance level, cost, source.

    "Failed our test" names the model outputs on which a metric failed the meta-evaluation.
    """
    from camlucida.metrics import METRICS

    metrics = [metric for _, metric in METRICS.items()]
    if as_json:
        print_json(_fields(metrics, METRIC_FIELDS))
        return
    rows = []
    for metric in metrics:
        names = (metric.name, metric.family, metric.direction, metric.range_text)
        failed = ", ".join(output or "yes" for output in metric.failures)
        rows.append((*names, metric.chance, metric.cost, failed, metric.source))
    head = ("metric", "family", "better", "range", "chance", "cost", "failed our test", "source")
    print_table(head, rows)


def _fields(items: Iterable[object], names: Sequence[str]) -> list[dict[str, Any]]:
    return [dict(zip(names, _values(item, names))) for item in items]


def _values(item: object, names: Sequence[str]) -> list[Any]:
    return [getattr(item, name) for name in names]


def _layer_line(info: Any) -> tuple[str, ...]:
    """A row of the table of layers."""
    shape = "×".join(map(str, info.shape))
    mark = "→" if info.auto else ""
    grid = "×".join(map(str, info.grid))
    return (mark, info.path, info.type, shape, grid, _stride(info.stride), str(info.calls))


def _stride(stride: Sequence[float]) -> str:
    sides = [f"{side:g}" for side in stride]
    return sides[0] if len(set(sides)) == 1 else "×".join(sides)
