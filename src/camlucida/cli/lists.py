"""``camlucida layers``, ``methods`` and ``metrics``: what there is to choose from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from camlucida.cli.common import (
    CheckpointOption,
    DeviceOption,
    FactoryOption,
    ModelOption,
    app,
    load,
    print_table,
)


@app.command("layers")
def layers_command(
    model: ModelOption,
    factory: FactoryOption = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = "auto",
    every: Annotated[
        bool, typer.Option("--all", help="Also layers without a spatial grid.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Run the model once and list what fires, in order: path, type, output shape, stride; → marks what auto takes."""
    from dataclasses import asdict

    import torch

    from camlucida.models.layers import list_layers
    from camlucida.models.state import unwrap

    loaded = load(model, factory, checkpoint, device)
    spec = loaded.card.input
    weight = next(loaded.module.parameters())
    images = torch.zeros(
        1, spec.channels, *spec.height_width, device=weight.device, dtype=weight.dtype
    )
    found = [info for info in list_layers(unwrap(loaded.module), images) if info.grid or every]
    if as_json:
        print(json.dumps([asdict(info) for info in found], indent=2))
        return
    rows = [
        (
            "→" if info.auto else "",
            info.path,
            info.type,
            "×".join(map(str, info.shape)),
            _stride(info.stride),
            str(info.calls),
        )
        for info in found
    ]
    print_table(("", "layer", "type", "output", "stride (px)", "calls"), rows)


@app.command("methods")
def methods_command(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the methods: what each is, its cost in forwards, whether it is class-specific, its paper."""
    from camlucida.attribution.methods import METHODS

    items = [item for _, item in METHODS.items()]
    if as_json:
        fields = ("name", "title", "summary", "cost", "class_specific", "relu", "paper")
        print(
            json.dumps(
                [{key: getattr(item, key) for key in fields} for item in items],
                indent=2,
                ensure_ascii=False,
            )
        )
        return
    rows = [
        (i.name, i.summary, i.cost, "yes" if i.class_specific else "NO", i.paper) for i in items
    ]
    print_table(("method", "what it is", "cost", "class-specific", "paper"), rows)


@app.command("metrics")
def metrics_command(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the metrics: family, which end is better, range, what a map that knows nothing scores, cost, source."""
    from camlucida.metrics import METRICS

    items = [item for _, item in METRICS.items()]
    if as_json:
        fields = ("name", "title", "family", "direction", "range", "chance", "cost", "source")
        print(
            json.dumps(
                [{key: getattr(item, key) for key in fields} for item in items],
                indent=2,
                ensure_ascii=False,
            )
        )
        return
    rows = [
        (i.name, i.family, i.direction, i.range_text, i.chance, i.cost, i.source) for i in items
    ]
    print_table(("metric", "family", "better", "range", "chance", "cost", "source"), rows)


def _stride(stride: Sequence[float]) -> str:
    sides = [f"{side:g}" for side in stride]
    return sides[0] if len(set(sides)) == 1 else "×".join(sides)
