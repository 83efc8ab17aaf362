"""Cost of the default metrics against the bare forward throughput, and ROAD beside grad-cam's.

    python benchmarks/evaluation.py [--rounds 3] [--images 4]

DenseNet-121 at 224², random weights (they change no time). Contestants take turns, round by round;
medians count.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
import torchvision
from skimage import data, transform

from camlucida.attribution.batches import scans_of
from camlucida.attribution.engine import explain
from camlucida.evaluation.maps.choice import choose
from camlucida.evaluation.maps.measure import MetricSettings, Sample, measure
from camlucida.metrics.faithfulness import ROAD_SHARES, road_plan
from camlucida.metrics.imputation import Perturbation, PerturbedImage
from camlucida.metrics.queue import evaluate

BATCH = 8
MEAN, STD = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def to_unit(x: torch.Tensor) -> torch.Tensor:
    return x * STD + MEAN


def normalise(x: torch.Tensor) -> torch.Tensor:
    return (x - MEAN) / STD


def photographs(count: int) -> torch.Tensor:
    """(count, 3, 224, 224), normalised: grey windows of a photograph; imputation needs pixels."""
    cat = transform.resize(data.chelsea(), (300, 400)).mean(2, keepdims=True).repeat(3, 2)
    windows = [
        cat[y : y + 224, x : x + 224]
        for y, x in ((0, 0), (40, 80), (70, 150), (20, 170), (60, 20), (10, 120))
    ]
    images = torch.tensor(np.stack(windows[:count]), dtype=torch.float32).movedim(-1, 1)
    return torch.stack([normalise(image) for image in images])


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def in_turn(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each, after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run()
    for _ in range(rounds):
        for name, run in contestants.items():
            times[name].append(timed(run))
    return {name: statistics.median(values) for name, values in times.items()}


def default_set(model: torch.nn.Module, images: torch.Tensor, rounds: int) -> None:
    """Forward passes an image, label and method, and their rate beside the model's, at one size."""
    truth = np.zeros((224, 224), bool)
    truth[60:120, 80:160] = True
    samples = [Sample(scan, scan.id, {"": truth}) for scan in scans_of((images,))]
    settings = MetricSettings(
        ("3",), ("gradcam",), ("features.norm5",), choose(), (), batch_size=BATCH
    )
    tables = measure(model, samples, settings, unit=(to_unit, normalise))
    forwards = tables.count.images + len(images)  # and one to explain
    batch = images.repeat(BATCH, 1, 1, 1)[:BATCH]

    def bare() -> None:
        with torch.no_grad():
            for _ in range(-(-forwards // BATCH)):
                model(batch)

    seconds = in_turn(
        {
            "bare": bare,
            "evaluation": lambda: measure(model, samples, settings, unit=(to_unit, normalise)),
        },
        rounds,
    )
    bare_rate, rate = (
        -(-forwards // BATCH) * BATCH / seconds["bare"],
        forwards / seconds["evaluation"],
    )
    print("| default set, DenseNet-121 224², 2 cores | measured | goal |")
    print("|---|---|---|")
    print(f"| forward passes an image, label and method | {forwards / len(images):.1f} | ≤ 45 |")
    share = f"{rate:.1f} /s, {rate / bare_rate:.0%} of the bare {bare_rate:.1f} /s"
    print(f"| rate of these passes, everything included | {share} | ≥ 80 % |")


def road(model: torch.nn.Module, images: torch.Tensor, rounds: int) -> None:
    """ROAD combined of one tie-free map, noise 0, as grad-cam computes it and as camlucida does.

    At 220², where 20 % is a whole number of pixels: elsewhere a percentile and an exact count
    differ by one.
    """
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer, ROADCombined, neighbors_weights
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    NoisyLinearImputer.__init__.__defaults__ = (
        0.0,
        neighbors_weights,
    )  # no noise: it cannot be requested from outside
    unit = to_unit(images[0])[:, :220, :220]
    slope = (
        torch.rand(220, 220, generator=torch.Generator().manual_seed(0)) * 0.01
        + torch.linspace(0, 1, 220)[:, None]
    )
    heat = (slope.flatten().argsort().argsort() / slope.numel()).view_as(
        slope
    )  # ranks: no two are equal

    class Inner(torch.nn.Module):  # grad-cam imputes what the model is given
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return model(normalise(x))

    inner = Inner()
    case = Perturbation(PerturbedImage("image", unit, (False,)), heat)
    plan = road_plan(case, shares=ROAD_SHARES, noise=0)
    percentiles = [round(100 * share) for share in ROAD_SHARES]

    def ours() -> float:
        (done,) = evaluate([plan], lambda x, _: inner(x)[:, 3:4], BATCH, workers=1)
        return float(done.metrics["road"][0])

    def theirs() -> float:
        with torch.no_grad():
            metric = ROADCombined(percentiles=percentiles)
            return float(
                metric(unit[None], heat.numpy()[None], [ClassifierOutputTarget(3)], inner)[0]
            )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seconds = in_turn({"camlucida": ours, "grad-cam": theirs}, rounds)
        print("| ROAD combined at 20, 40, 60, 80 %, 220² | result | seconds an image |")
        print("|---|---|---|")
        print(f"| camlucida | {ours():.7f} | {seconds['camlucida']:.2f} |")
        ratio = seconds["grad-cam"] / seconds["camlucida"]
        print(
            f"| grad-cam | {theirs():.7f} | {seconds['grad-cam']:.2f}, {ratio:.1f} × (goal ≥ 1.5 "
            "×) |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=4, choices=range(1, 7))
    arguments = parser.parse_args()
    torch.manual_seed(0)
    model = torchvision.models.densenet121(weights=None, num_classes=18).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    images = photographs(arguments.images)
    explain(model, images[:1], target=3, layer="features.norm5")
    default_set(model, images, arguments.rounds)
    print()
    road(model, images, arguments.rounds)


if __name__ == "__main__":
    main()
