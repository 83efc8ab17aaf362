"""Throughput of explaining a folder of films, beside decoding and the bare model, and the peers.

    python benchmarks/explain.py [--count 40] [--rounds 3] [--films FOLDER]

DenseNet-121 with random weights, 1024 × 1024 PNG in, the three most probable of 14 labels. The
contestants take turns, round by round, and the median of the rounds counts. Processor time is that
of the process and its workers: it stands beside the time on the clock because other work on the
machine lengthens only the latter. grad-cam and torchcam do the same job with their own helpers for
pictures: the maps of three labels as arrays, and the overlay of the first over the film.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from camlucida.core.png import png_bytes
from camlucida.models import LoadedModel, load_model
from camlucida.phantom import film
from camlucida.workflows.explain import explain_to_folder

SIDE = 1024
BATCH = 8
LABELS = 14
TOP = 3
LAYER = "features.norm5"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

NETWORK = """
import torch, torchvision

def build():
    torch.manual_seed(0)
    return torchvision.models.densenet121(weights=None, num_classes=14)
"""
CARD = """
factory = "net.py:build"
task = "multilabel"
labels = [{labels}]
[input]
size = 224
channels = 3
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
"""

BASE = "decode + bare model"
GOALS = {
    "camlucida explain": "≤ 1.25 × decode + bare model; ≤ 0.5 MB an explanation",
    "camlucida explain --write all": "≤ 0.25 s of processor an explanation above the model",
}


@dataclass(frozen=True)
class Cost:
    """Of one round: seconds on the clock, of processor, and bytes written."""

    clock: float
    processor: float
    written: int


@dataclass(frozen=True)
class Job:
    """What every contestant gets: the model, the films, and a folder for its files."""

    model: LoadedModel
    films: Sequence[Path]
    out: Path


def prepare(folder: Path, films: Path | None, count: int) -> tuple[LoadedModel, list[Path]]:
    """The model, and ``count`` films: of a folder, slightly changed, or synthetic."""
    (folder / "net.py").write_text(NETWORK)
    labels = ", ".join(f'"finding {number}"' for number in range(LABELS))
    card = folder / "card.toml"
    card.write_text(CARD.format(labels=labels))
    paths = []
    (folder / "films").mkdir()
    for number, pixels in zip(range(count), _films(films)):
        path = folder / "films" / f"{number:04d}.png"
        path.write_bytes(png_bytes(pixels))
        paths.append(path)
    return load_model(card, device="cpu"), paths


def _films(folder: Path | None) -> Iterator[NDArray[np.uint8]]:
    """Films of 1024 × 1024 without end, none equal to another."""
    drawn = _real(folder) if folder else _synthetic()
    for number in range(10**9):
        pixels = drawn[number % len(drawn)]
        yield np.roll(pixels, 3 * (number // len(drawn)), axis=0)


def _real(folder: Path) -> list[NDArray[np.uint8]]:
    pictures = [Image.open(path).convert("L") for path in sorted(folder.glob("*.png"))]
    return [np.asarray(picture.resize((SIDE, SIDE))) for picture in pictures]


def _synthetic() -> list[NDArray[np.uint8]]:
    """Drawn radiographs, enlarged, with the noise that makes a file as large as a real one's."""
    noise = np.random.default_rng(0)
    films = []
    for seed in range(8):
        picture = Image.fromarray(film(seed).image).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        grainy = np.asarray(picture) + noise.normal(0, 2.0, (SIDE, SIDE))
        films.append(np.clip(grainy.round(), 0, 255).astype(np.uint8))
    return films


def _input(path: Path) -> tuple[NDArray[np.uint8], Tensor]:
    """The film and the model's input, as one writes it by hand."""
    picture = Image.open(path).convert("RGB")
    small = picture.resize((224, 224), Image.Resampling.BILINEAR)
    values = torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    return np.asarray(picture), (values - mean) / std


def _batches(paths: Sequence[Path]) -> Iterator[tuple[list[NDArray[np.uint8]], Tensor]]:
    for start in range(0, len(paths), BATCH):
        read = [_input(path) for path in paths[start : start + BATCH]]
        yield [picture for picture, _ in read], torch.stack([tensor for _, tensor in read])


def bare(job: Job) -> None:
    """Decode, resize, and one forward a batch; nothing is written."""
    for _, inputs in _batches(job.films):
        with torch.no_grad():
            job.model.module(inputs).sigmoid()


def read_and_bare(job: Job) -> None:
    """The same with camlucida's reader, which also checks, hashes and records."""
    for start in range(0, len(job.films), BATCH):
        scans = [job.model.read(path) for path in job.films[start : start + BATCH]]
        with torch.no_grad():
            job.model.module(torch.stack([scan.tensor for scan in scans])).sigmoid()


def ours(job: Job) -> None:
    """The default: film, raw maps, the overlay of the top finding, records and page."""
    explain_to_folder(job.model, job.films, job.out)


def ours_all(job: Job) -> None:
    """Every picture of every explanation."""
    explain_to_folder(job.model, job.films, job.out, write=["all"])


def grad_cam(job: Job) -> None:
    """pytorch-grad-cam with ``show_cam_on_image``."""
    import cv2
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.image import show_cam_on_image
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    layer = _layer(job.model.module)
    with GradCAM(model=job.model.module, target_layers=[layer]) as cam:
        for start, (pictures, inputs) in enumerate(_batches(job.films)):
            with torch.no_grad():
                top = job.model.module(inputs).topk(TOP).indices
            maps = []
            for rank in range(TOP):
                targets = [ClassifierOutputTarget(int(label)) for label in top[:, rank]]
                maps.append(cam(input_tensor=inputs, targets=targets))
            for number, picture in enumerate(pictures):
                stem = job.out / f"{start * BATCH + number}"
                np.save(f"{stem}.npy", np.stack([each[number] for each in maps]))
                heat = cv2.resize(maps[0][number], (SIDE, SIDE))
                overlay = show_cam_on_image(picture.astype(np.float32) / 255, heat, use_rgb=True)
                Image.fromarray(overlay).save(f"{stem}.jpg", quality=90)


def torch_cam(job: Job) -> None:
    """torchcam with ``overlay_mask``."""
    from torchcam.methods import GradCAM
    from torchcam.utils import overlay_mask
    from torchvision.transforms.functional import to_pil_image

    model = job.model.module
    with GradCAM(model, target_layer=_layer(model)) as cam:
        for start, (pictures, inputs) in enumerate(_batches(job.films)):
            scores = model(inputs)
            top = scores.topk(TOP).indices
            maps = [cam(top[:, rank].tolist(), scores, retain_graph=True)[0] for rank in range(TOP)]
            for number, picture in enumerate(pictures):
                stem = job.out / f"{start * BATCH + number}"
                np.save(f"{stem}.npy", np.stack([each[number].numpy() for each in maps]))
                heat = to_pil_image(maps[0][number], mode="F")
                overlay_mask(Image.fromarray(picture), heat, alpha=0.5).save(
                    f"{stem}.jpg", quality=90
                )


def _layer(model: nn.Module) -> nn.Module:
    return model.get_submodule(LAYER)


CONTESTANTS: dict[str, Callable[[Job], None]] = {
    BASE: bare,
    "camlucida's reader + bare model": read_and_bare,
    "camlucida explain": ours,
    "camlucida explain --write all": ours_all,
    "grad-cam": grad_cam,
    "torchcam": torch_cam,
}


def measure(run: Callable[[Job], None], job: Job) -> Cost:
    """One round, into an empty folder."""
    shutil.rmtree(job.out, ignore_errors=True)
    job.out.mkdir()
    clock, processor = time.perf_counter(), _processor()
    run(job)
    cost = time.perf_counter() - clock, _processor() - processor
    return Cost(*cost, sum(path.stat().st_size for path in job.out.iterdir()))


def _processor() -> float:
    """Seconds of this process and of the workers that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def memory(job: Job) -> list[float]:
    """Resident set in MiB of the explaining process after each quarter of the films."""
    seen: list[float] = []
    done = 0

    def look(advance: int) -> None:
        nonlocal done
        done += advance
        if done * 4 >= (len(seen) + 1) * len(job.films):
            seen.append(_resident())

    explain_to_folder(job.model, job.films, job.out, progress=look)
    return seen


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def start_seconds() -> float:
    """Until ``camlucida explain --help`` has printed, the least of three."""
    command = [sys.executable, "-m", "camlucida", "explain", "--help"]
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def report(results: dict[str, dict[str, float]]) -> str:
    """The table, in Markdown."""
    lines = [
        "| contestant | goal | a film | × | processor a film | × | MB an explanation |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in results.items():
        size = f"{row['mb']:.2f}" if row["mb"] else ""
        lines.append(
            f"| {name} | {GOALS.get(name, '')} | {row['clock'] * 1e3:.0f} ms | "
            f"{row['clock_ratio']:.2f} | {row['processor'] * 1e3:.0f} ms | "
            f"{row['processor_ratio']:.2f} | {size} |"
        )
    return "\n".join(lines)


def summary(costs: dict[str, list[Cost]], films: int) -> dict[str, dict[str, float]]:
    """Medians a film, and the median over the rounds of the ratios to the base's of that round."""
    results = {}
    for name, rounds in costs.items():
        base = costs[BASE]
        results[name] = {
            "clock": statistics.median(cost.clock for cost in rounds) / films,
            "processor": statistics.median(cost.processor for cost in rounds) / films,
            "clock_ratio": statistics.median(c.clock / b.clock for c, b in zip(rounds, base)),
            "processor_ratio": statistics.median(
                c.processor / b.processor for c, b in zip(rounds, base)
            ),
            "mb": rounds[0].written / films / TOP / 1e6,
        }
    return results


def main() -> None:
    """Run, print the table, and keep the numbers as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--films", type=Path, help="folder of PNG films; default: synthetic")
    parser.add_argument("--only", nargs="*", default=[""], help="parts of contestants' names")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    chosen = {
        name: run
        for name, run in CONTESTANTS.items()
        if name == BASE or any(part in name for part in options.only)
    }
    costs: dict[str, list[Cost]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, films = prepare(folder, options.films, options.count)
        job = Job(model, films, folder / "out")
        bare(Job(model, films[:BATCH], job.out))  # warm up
        for _ in range(options.rounds):
            for contestant, run in chosen.items():
                costs[contestant].append(measure(run, job))
        resident = memory(job)
    results = summary(costs, len(films))
    about = {
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "films": len(films),
        "rounds": options.rounds,
        "resident_mib": [round(each) for each in resident],
        "start_seconds": round(start_seconds(), 2),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"about": about, "results": results}, indent=2)
    (options.out / "explain.json").write_text(text + "\n")
    print(f"{about}\n\n{report(results)}")


if __name__ == "__main__":
    main()
