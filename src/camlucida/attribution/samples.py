"""Maps gathered over several runs of the model: altered images, or dropout switched on.

One target for all runs: that of the image as it is. Maps are taken back to the image before they
are averaged, before any ReLU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from camlucida.attribution.batch_maps import batch_maps
from camlucida.attribution.batches import Batch
from camlucida.attribution.capture_inputs import image_inputs
from camlucida.attribution.explained_batch import BatchMaps, ExplainedBatch, MapKey
from camlucida.attribution.forward_pass import forward_pass
from camlucida.attribution.methods import METHODS, Method
from camlucida.attribution.targets import Difference, Label, Region, Target
from camlucida.core.errors import NoEvidenceError
from camlucida.core.orientation import axis_codes
from camlucida.core.scan import Scan
from camlucida.core.volume_scan import VolumeScan
from camlucida.models.outputs import interpret

RUNS = 16
"""Runs with dropout on."""


@dataclass(frozen=True)
class Sample:
    """How one run differs from that of the image as it is.

    Attributes:
        factor: by which the image on the model's scale is multiplied.
        mirrored: left and right, see :func:`left_right`.
        seed: of the dropout; None leaves it off.
    """

    factor: float = 1.0
    mirrored: bool = False
    seed: int | None = None

    def image(self, x: Tensor, axis: int = -1) -> Tensor:
        """Images (B, C, *spatial) as the model sees them in this run.

        Args:
            x: the images as they are.
            axis: that is mirrored, counted from the last.
        """
        altered = x * self.factor
        return altered.flip(axis) if self.mirrored else altered

    def back(self, maps: Tensor, axis: int = -1) -> Tensor:
        """Maps (…, *grid) of this run, on the image as it is.

        Args:
            maps: of the run.
            axis: as of :meth:`image`.
        """
        return maps.flip(axis) if self.mirrored else maps

    def target(self, target: Target, axis: int = -1) -> Target:
        """The same target, where the image is mirrored.

        Args:
            target: of the image as it is.
            axis: as of :meth:`image`.

        Raises:
            NoEvidenceError: it depends on places in an unknown way.
        """
        if not self.mirrored or isinstance(target, (Label, Difference)):
            return target
        if isinstance(target, Region):
            return replace(target, mask=target.mask.flip(axis))
        raise NoEvidenceError(
            f"target {target.name!r} is a function of its own, which cannot be mirrored",
            "leave the mirrored views out: aug",
        )


def left_right(scan: Scan) -> int:
    """The axis of the model's input from the patient's left to the right, counted from the last.

    Args:
        scan: of an image, whose columns run so; or of a volume.

    Returns:
        −1 also of a volume that states no directions, and of stacked slices that lie one beside
        the other from left to right.

    >>> from camlucida.core.geometry import Geometry
    >>> left_right(Scan(torch.zeros(1, 4, 4), None, Geometry.identity((4, 4)), "film"))
    -1
    """
    if not isinstance(scan, VolumeScan) or not scan.oriented:
        return -1
    stored = axis_codes(scan.affine)
    letters = [stored[axis] for axis in scan.order.axes]
    axis = next(number for number, letter in enumerate(letters) if letter in "LR") - 3
    return axis if -axis <= len(scan.geometry.model) else -1


_FACTORS = (1.0, 0.9, 1.1)

SAMPLES: dict[str, Sequence[Sample]] = {
    "aug": [Sample(factor) for factor in _FACTORS],
    "aug_flip": [Sample(*view) for view in product(_FACTORS, (False, True))],
    "dropout": [Sample(seed=seed) for seed in range(RUNS)],
}
"""Name → runs. Augmentation is that of pytorch-grad-cam's ``aug_smooth``; mirroring is apart, for a
mirrored film is another patient's."""


def all_maps(explained: ExplainedBatch, methods: Sequence[Method]) -> BatchMaps:
    """The maps of methods, also of those that are gathered over runs.

    Args:
        explained: the batch, as it is.
        methods: by which maps are made.

    Raises:
        NoEvidenceError: a score does not depend on a layer, or a method is undefined for it.
    """
    maps = batch_maps(explained, [method for method in methods if not method.samples])
    for name, samples in SAMPLES.items():
        of_samples = [method for method in methods if method.samples == name]
        if of_samples:
            with explained.fitting(*of_samples):
                _gather(explained, of_samples, samples, maps)
    return maps


def _gather(
    explained: ExplainedBatch,
    methods: Sequence[Method],
    samples: Sequence[Sample],
    maps: BatchMaps,
) -> None:
    """Add the means and spreads of methods over runs to the maps of a batch."""
    bases = {method.name: method.name.rpartition(":")[0] for method in methods}
    once = [METHODS[name] for name in dict.fromkeys(bases.values())]
    gathered: dict[MapKey, list[Tensor]] = {}
    independent: list[set[int]] = []
    for sample in samples:
        for rows in _parts(explained, sample):
            axis = left_right(explained.batch.scans[rows[0]])
            made = batch_maps(_run(explained, sample, rows, once, axis), once)
            independent.append(made.independent)
            for key, raw in made.raw.items():
                of_image = key._replace(image=rows[key.image])
                gathered.setdefault(of_image, []).append(sample.back(raw, axis))
                if key in made.cautions:
                    maps.cautions.setdefault(of_image, made.cautions[key])
    maps.independent |= set.intersection(*independent) if independent else set()
    for method in methods:
        base = bases[method.name]
        if explained.left_out is not None and base in explained.left_out:
            explained.left_out[method.name] = explained.left_out[base]
        of_base = {key: raws for key, raws in gathered.items() if key.method == base}
        _add(of_base, method, maps)


def _add(gathered: Mapping[MapKey, Sequence[Tensor]], method: Method, maps: BatchMaps) -> None:
    """Means or spreads of one method's maps over the runs."""
    for key, raws in gathered.items():
        stack = torch.stack(list(raws))
        own = key._replace(method=method.name)
        maps.raw[own] = stack.std(0) if method.spread else stack.mean(0)
        if key in maps.cautions:
            maps.cautions[own] = maps.cautions[key]


def _parts(explained: ExplainedBatch, sample: Sample) -> Sequence[Sequence[int]]:
    """Rows of the batch that go through the model together."""
    rows = [i for i, targets in enumerate(explained.targets) if targets]
    if sample.seed is None:
        by_axis: dict[int, list[int]] = {}
        for row in rows:
            by_axis.setdefault(left_right(explained.batch.scans[row]), []).append(row)
        return list(by_axis.values())
    # Each by itself: what is dropped in an image must not depend on those beside it.
    return [[row] for row in rows]


def _run(
    explained: ExplainedBatch,
    sample: Sample,
    rows: Sequence[int],
    methods: Sequence[Method],
    axis: int,
) -> ExplainedBatch:
    """Some images of a batch after another run of the model."""
    model, batch = explained.model, explained.batch
    images = image_inputs(batch.tensors)
    tensors = []
    for position, x in enumerate(batch.tensors):
        of_rows = x[list(rows)]
        tensors.append(sample.image(of_rows, axis) if position in images else of_rows)
    layers = [layer.name for layer in explained.forward.layers]
    with _dropout(model.module, sample.seed, tensors[0].device):
        forward, attention = forward_pass(model, tuple(tensors), layers, methods)
    read = forward.output
    output = interpret(read.logits, read.output, read.final, model.spec, tensors[0])
    targets = [_targets(explained, sample, row, axis) for row in rows]
    cases = [batch.cases[row] for row in rows] if batch.cases else ()
    scans = [batch.scans[row] for row in rows]
    part = Batch(tuple(tensors), scans, None, batch.probe_size, cases)
    left_out = explained.left_out
    return ExplainedBatch(
        model, part, forward, output, targets, attention=attention, left_out=left_out
    )


def _targets(explained: ExplainedBatch, sample: Sample, row: int, axis: int) -> list[Target]:
    return [sample.target(target, axis) for target in explained.targets[row]]


def _dropout(
    module: nn.Module, seed: int | None, device: torch.device
) -> AbstractContextManager[None]:
    return nullcontext() if seed is None else dropout_active(module, seed, device)


@contextmanager
def dropout_active(module: nn.Module, seed: int, device: torch.device) -> Iterator[None]:
    """Dropout is on inside, in modules of dropout alone, and off again afterwards.

    Args:
        module: the model, in evaluation mode.
        seed: of what is dropped; the random state outside is left as it is.
        device: of the model.

    Raises:
        NoEvidenceError: the model has no module of dropout.

    >>> net = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()).eval()
    >>> with dropout_active(net, 0, torch.device("cpu")):
    ...     [part.training for part in net]
    [False, True]
    >>> net[1].training
    False
    """
    active = [part for part in module.modules() if isinstance(part, _DropoutNd) and part.p > 0]
    if not active:
        raise NoEvidenceError(
            "maps over dropout need a model with dropout, and this one has no such module",
            "choose aug, whose runs see altered images",
        )
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        try:
            for part in active:
                part.training = True
            yield
        finally:
            for part in active:
                part.training = False
