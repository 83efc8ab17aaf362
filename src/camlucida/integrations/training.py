"""How attention moves during training: the maps of a few cases after each epoch, side by side.

In a loop of your own::

    panel = AttentionPanel(scans, targets, Path("attention"))
    panel.record(model, 0)
    for epoch in range(1, epochs + 1):
        train(model)
        panel.record(model, epoch)

With Lightning: :func:`camlucida.integrations.lightning.attention_callback`. For research use only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from camlucida.attribution.engine import explain
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.requests import TargetLike
from camlucida.core.errors import CamlucidaError, NoEvidenceError, UsageError
from camlucida.core.files import npz, write_bytes
from camlucida.core.messages import declare
from camlucida.core.scan import Scan
from camlucida.figures.files import save_figure
from camlucida.figures.grids import GridRow, comparison_grid
from camlucida.figures.style import words
from camlucida.metrics.agreement import pearson

declare(
    "attention_panel",
    {
        "title": "Maps of fixed cases during training: {method}",
        "start": "epoch {epoch}",
        "row": "{image}: {target}",
        "shown": "{shown} of {epochs} recorded epochs are shown.",
        "failed": "not explained",
    },
)

SHOWN = 8
"""Epochs in the strip; of more, the first, the last and some between them at equal distances."""

DPI = 120
"""Of the strip, which is drawn again after every epoch; ``strip()`` gives the figure itself."""

COLUMNS = [
    *("epoch", "image", "target", "method", "layer", "score", "probability", "limit"),
    *("similarity_to_previous", "similarity_to_first", "problem"),
]
"""Of ``attention.csv``."""

logger = logging.getLogger(__name__)


@dataclass
class AttentionPanel:
    """A fixed set of cases that is explained again and again while a model is trained.

    The model is left exactly as it was, and so is the state of the random numbers: a training with
    a panel ends with the same weights as one without.

    Attributes:
        scans: the cases, as the model sees them.
        targets: of each case the label, index or target that is explained in every epoch.
        folder: of ``attention.png``, ``attention.csv`` and the maps.
        method: registry name.
        layer: as in :func:`~camlucida.attribution.engine.explain`.
        options: further arguments of :func:`~camlucida.attribution.engine.explain`, such as
            ``task`` and ``labels``.
    """

    scans: Sequence[Scan]
    targets: Sequence[TargetLike]
    folder: Path
    method: str = "gradcam"
    layer: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    _epochs: dict[int, list[Explanation | str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Check the request before the training begins.

        Raises:
            UsageError: no case, another number of targets, or a folder that has a panel already.
        """
        self.folder = Path(self.folder)
        if not self.scans or len(self.scans) != len(self.targets):
            raise UsageError(
                f"{len(self.scans)} cases and {len(self.targets)} targets",
                "give one target for each case, and at least one case",
            )
        if (self.folder / "attention.csv").exists():
            raise UsageError(
                f"{self.folder} holds the panel of an earlier training",
                "give another folder, or move it away",
            )

    def record(self, model: nn.Module, epoch: int) -> list[Explanation | None]:
        """Explain every case with the model as it stands, and write strip, table and maps.

        A case that cannot be explained in a later epoch, such as one with weights that are not
        finite, is logged and stated in the strip and the table: it does not end the training.

        Args:
            model: of this epoch.
            epoch: how many epochs are completed; 0 before the first.

        Returns:
            Of each case its map, None where there is none.

        Raises:
            CamlucidaError: the first epoch cannot be explained: the request does not fit the model.
        """
        first = not self._epochs
        made = [self._explained(model, case, first) for case in range(len(self.scans))]
        self._epochs[epoch] = made
        self._write(epoch)
        return [each if isinstance(each, Explanation) else None for each in made]

    def _explained(self, model: nn.Module, case: int, must_succeed: bool) -> Explanation | str:
        """The map of a case; why there is none."""
        devices = {tensor.device for tensor in model.parameters() if tensor.is_cuda}
        scan, target = self.scans[case], self.targets[case]
        try:
            with torch.random.fork_rng(devices=devices):
                requested: Any = (scan, target, self.method, self.layer)
                made = explain(model, *requested, **self.options)
            return self._only(made, case)
        except CamlucidaError as error:
            if must_succeed and not isinstance(error, NoEvidenceError):
                raise
            logger.warning("%s is not explained: %s", scan.id, error)
            return str(error)

    def _only(self, made: Sequence[Explanation], case: int) -> Explanation:
        """The one map of a case, of the target that it had in the first epoch."""
        names = [each.target for each in made]
        before = self._first(case)
        if len(made) != 1 or (before is not None and names != [before.target]):
            meant = ", ".join(names) or "nothing"
            raise UsageError(
                f"target {self.targets[case]!r} means {meant} in this epoch",
                "give a target that is the same in every epoch, such as a label's name",
            )
        return made[0]

    def _first(self, case: int) -> Explanation | None:
        return next(_maps([made[case] for made in self._epochs.values()]), None)

    def _write(self, epoch: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        maps = {}
        for number, each in enumerate(self._epochs[epoch]):
            if isinstance(each, Explanation):
                maps[f"case_{number}"] = each.numpy()
        write_bytes(self.folder / f"epoch_{epoch:04d}.npz", npz(maps))
        table = self.table().to_csv(index=False)
        write_bytes(self.folder / "attention.csv", table.encode())
        if any(self._first(case) is not None for case in range(len(self.scans))):
            save_figure(self.strip(), self.folder / "attention", ("png",), DPI)

    def table(self) -> pd.DataFrame:
        """One row an epoch and case, columns :data:`COLUMNS`.

        ``limit`` is the map's largest value in its own unit. The similarities are Pearson
        correlations over the cells, in [−1, 1], NaN where a map is missing or constant.
        """
        rows = []
        for case in range(len(self.scans)):
            previous: Explanation | None = None
            for epoch, made in self._epochs.items():
                each = made[case]
                rows.append(self._row(epoch, case, each, previous))
                previous = each if isinstance(each, Explanation) else previous
        table = pd.DataFrame(rows, columns=COLUMNS)
        return table.sort_values("epoch", kind="stable").reset_index(drop=True)

    def _row(
        self, epoch: int, case: int, each: Explanation | str, previous: Explanation | None
    ) -> dict[str, Any]:
        row: dict[str, Any] = {"epoch": epoch, "image": self.scans[case].id, "method": self.method}
        if isinstance(each, str):
            return row | {"target": str(self.targets[case]), "problem": each}
        names = ("target", "layer", "score", "probability", "limit")
        row |= {name: getattr(each, name) for name in names}
        row["similarity_to_previous"] = _similarity(each, previous)
        first = self._first(case)
        row["similarity_to_first"] = _similarity(each, None if first is each else first)
        row["problem"] = "" if each.empty_reason is None else str(each.empty_reason)
        return row

    def strip(self) -> Any:
        """The figure: one row a case, one column an epoch, each map on its own stated scale.

        Raises:
            UsageError: nothing is explained yet.
        """
        epochs = _chosen(list(self._epochs))
        rows = []
        for case in range(len(self.scans)):
            first = self._first(case)
            made = [self._epochs[epoch][case] for epoch in epochs]
            # A case may have its only map in an epoch that is not shown.
            if first is not None and any(True for _ in _maps(made)):
                title = words("attention_panel.row", image=first.scan.id, target=first.target)
                rows.append(_grid_row(title, made))
        if not rows:
            raise UsageError("no map of any epoch is there yet", "call record first")
        columns = [words("attention_panel.start", epoch=epoch) for epoch in epochs]
        title = words("attention_panel.title", method=self.method)
        shown = words("attention_panel.shown", shown=len(epochs), epochs=len(self._epochs))
        return comparison_grid(rows, columns, title=title, notes=[shown])


def _maps(made: Sequence[Explanation | str]) -> Iterator[Explanation]:
    yield from (each for each in made if isinstance(each, Explanation))


def _grid_row(title: str, made: Sequence[Explanation | str]) -> GridRow:
    maps = [each if isinstance(each, Explanation) else None for each in made]
    return GridRow(title, maps, missing=words("attention_panel.failed"))


def _chosen(epochs: Sequence[int]) -> list[int]:
    """At most :data:`SHOWN` of the epochs, with the first and the last.

    >>> _chosen([0, 1, 2]), _chosen(range(100))
    ([0, 1, 2], [0, 14, 28, 42, 57, 71, 85, 99])
    """
    if len(epochs) <= SHOWN:
        return list(epochs)
    places = np.linspace(0, len(epochs) - 1, SHOWN).round().astype(int)
    return [epochs[place] for place in places]


def _similarity(each: Explanation, other: Explanation | None) -> float:
    """Pearson correlation of two maps on one grid; NaN where there is none."""
    if other is None or each.grid != other.grid:
        return float("nan")
    value = pearson(each.numpy(), other.numpy())
    return value if isfinite(value) else float("nan")
