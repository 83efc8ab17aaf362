"""Cost of every method on five networks, beside grad-cam, torchcam and Captum.

    python benchmarks/speed.py [--networks PART …] [--only PART …] [--batch 1 8] [--rounds 5]
                               [--limit SECONDS]

Results are added to benchmarks/speed.json, from which speed.md and the README's table are made.
What is there is not measured again without --again, so a run that was stopped goes on.

The contestants of a case, each with a network of its own, take turns, round by round. In a turn
each of its runs comes after a plain forward, and the median of the ratios of such pairs counts: a
shared machine is now faster, now slower, within a second. They are ratios of elapsed time, so the
machine must be idle. That of processor time, in which a thread that waits for another counts as one
that works, stands beside it; the row of the plain forward shows how well two of them agree. Before
each turn the threads of the one before come to rest: those of NumPy's linear algebra go on spinning
for a while, and their time would be the next one's. Then each warms up once and runs for six tenths
of a second, once at least.
A contestant that takes longer than the limit is stopped; its ratio is a lower bound.
Memory is the growth of the resident set in a run that is not the first, over that of a plain
forward: in a process of its own, with one thread, whose allocator hands freed memory back at once.
Else what it kept of other runs serves this one, and the growth is off by fifty MiB to either side.
Weights are random: they change no time.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import camlucida as cl
from camlucida.attribution.methods import METHODS

RESULTS = Path(__file__).parent / "speed.json"
PLAIN, OURS = "plain forward", "camlucida"
LABEL = 3
LABELS = 18
SLOW = 6.0
"""Seconds after which a contestant has one round."""
REST = 0.2
"""Seconds before each turn, in which threads of the one before fall asleep."""
TURN = 0.6
"""Seconds of a turn: what takes less runs more than once, as it does in use."""
GRADIENT = "all gradient methods"
ALL_LABELS = "gradcam, 18 labels"
FAMILY = (
    *("gradcam", "gradcam_pp", "hirescam", "gradcam_elementwise"),
    *("xgradcam", "layercam", "eigengradcam"),
)
GRAD_CAM = {
    "gradcam": "GradCAM",
    "gradcam_pp": "GradCAMPlusPlus",
    "hirescam": "HiResCAM",
    "gradcam_elementwise": "GradCAMElementWise",
    "xgradcam": "XGradCAM",
    "layercam": "LayerCAM",
    "eigencam": "EigenCAM",
    "eigengradcam": "EigenGradCAM",
    "kpcacam": "KPCA_CAM",
    "fem": "FEM",
    "shapleycam": "ShapleyCAM",
    "fullgrad": "FullGrad",
    "ablationcam": "AblationCAM",
    "scorecam": "ScoreCAM",
}
TORCHCAM = {
    "gradcam": "GradCAM",
    "gradcam_pp": "GradCAMpp",
    "smooth_gradcam_pp": "SmoothGradCAMpp",
    "xgradcam": "XGradCAM",
    "layercam": "LayerCAM",
    "scorecam": "ScoreCAM",
    "sscam": "SSCAM",
    "iscam": "ISCAM",
}
ASKED = [*METHODS, ALL_LABELS, GRADIENT]
Run = Callable[[], object]
Case = tuple[str, int, str]
"""Network, number of images, and what is asked."""


@dataclass(frozen=True)
class Network:
    """A network, its input's side, and the layer that is explained."""

    build: Callable[[], nn.Module]
    size: int
    layer: str


def _torchvision(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import torchvision

        return torchvision.models.get_model(name, weights=None, num_classes=LABELS)

    return build


def _vit() -> nn.Module:
    """Its head, which torchvision starts at 0, gets weights: else nothing has a gradient."""
    model = _torchvision("vit_b_16")()
    nn.init.normal_(model.heads.head.weight, std=0.02)
    return model


def _unet() -> nn.Module:
    import segmentation_models_pytorch as smp

    return smp.UnetPlusPlus("efficientnet-b5", encoder_weights=None, classes=1)


NETWORKS = {
    "DenseNet-121": Network(_torchvision("densenet121"), 224, "features.norm5"),
    "ResNet-50": Network(_torchvision("resnet50"), 224, "layer4"),
    "EfficientNet-B0": Network(_torchvision("efficientnet_b0"), 224, "features.8"),
    "ViT-B/16": Network(_vit, 224, "encoder.layers.encoder_layer_11.ln_1"),
    "U-Net++/B5": Network(_unet, 384, "encoder._blocks.38"),
}


def _score(logits: Tensor) -> Tensor:
    """The mean logit of the one label of a segmentation, (N,)."""
    return logits.flatten(1).mean(1)


class MeanLogit:
    """The same as a target."""

    name, probability = "mean logit", None

    def __call__(self, logits: Tensor) -> Tensor:
        return _score(logits)


class Contest:
    """The contestants of one case: a network, a number of images, and what is asked of them."""

    def __init__(self, network: str, batch: int, case: str) -> None:
        torch.manual_seed(0)
        about = NETWORKS[network]
        self.model = about.build().eval()
        self.layer = about.layer
        self.module = self.model.get_submodule(about.layer)
        self.x = torch.randn(batch, 3, about.size, about.size)
        self.segments, self.tokens = "U-Net" in network, "ViT" in network
        self.methods = FAMILY if case == GRADIENT else (case.partition(",")[0],)
        self.labels = range(LABELS) if case == ALL_LABELS else [LABEL]

    def runs(self) -> dict[str, Run]:
        """Name → what to time; the plain forward comes first."""
        runs: dict[str, Run] = {PLAIN: self.plain, OURS: self.ours}
        if all(name in GRAD_CAM for name in self.methods):
            runs["grad-cam"] = self.grad_cam
        if not self.segments and not self.tokens and any(m in TORCHCAM for m in self.methods):
            runs["torchcam"] = self.torch_cam
        if not self.tokens and self._captum():
            runs["Captum"] = self.captum
        return runs

    @torch.no_grad()
    def plain(self) -> object:
        return self.model(self.x)

    def ours(self) -> object:
        target: Any = [MeanLogit()] if self.segments else list(self.labels)
        return cl.explain(self.model, self.x, target, list(self.methods), self.layer)

    def grad_cam(self) -> object:
        import pytorch_grad_cam as pgc
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        def cells(tokens: Tensor) -> Tensor:
            return tokens[:, 1:].mT.unflatten(-1, (14, 14))

        maps = []
        for name in self.methods:
            options = {"reshape_transform": cells} if self.tokens else {}
            cam = getattr(pgc, GRAD_CAM[name])(self.model, [self.module], **options)
            with cam:
                for label in self.labels:
                    one = torch.mean if self.segments else ClassifierOutputTarget(label)
                    maps.append(cam(input_tensor=self.x, targets=[one] * len(self.x)))
        return maps

    def torch_cam(self) -> object:
        import torchcam.methods as tc

        maps = []
        for name in (name for name in self.methods if name in TORCHCAM):
            with getattr(tc, TORCHCAM[name])(self.model, target_layer=self.module) as cam:
                perturbs = name in ("scorecam", "sscam", "iscam")
                with torch.set_grad_enabled(not perturbs):
                    scores = self.model(self.x)
                    options = {} if perturbs else {"retain_graph": True}
                    maps += [cam([k] * len(self.x), scores, **options) for k in self.labels]
        return maps

    def _captum(self) -> Callable[[], Any] | None:
        """What makes Captum's method of this case; None where it has none, or is not installed."""
        try:
            from captum import attr
        except ImportError:
            return None
        model = (lambda x: _score(self.model(x))) if self.segments else self.model
        made = {
            "gradcam": lambda: attr.LayerGradCam(model, self.module),
            "guided_backprop": lambda: attr.GuidedBackprop(self.model),
            "input_x_gradient": lambda: attr.InputXGradient(model),
            "integrated_gradients": lambda: attr.IntegratedGradients(model),
        }
        if self.segments:
            del made["guided_backprop"]
        return made.get(self.methods[0]) if len(self.methods) == 1 else None

    def captum(self) -> object:
        make = self._captum()
        assert make is not None
        options = {"n_steps": 32} if "integrated_gradients" in self.methods else {}
        targets = [None] if self.segments else self.labels
        return [make().attribute(self.x, target=label, **options) for label in targets]


class OverLimitError(Exception):
    """A run takes longer than the limit."""


@dataclass(frozen=True)
class Timing:
    """Seconds that a contestant takes.

    Attributes:
        elapsed: on the clock.
        processor: of all threads together.
        stopped: whether it was stopped then, at the limit.
    """

    elapsed: float
    processor: float
    stopped: bool = False


@dataclass(frozen=True)
class Pair:
    """A run of a contestant and the plain forward beside it."""

    run: Timing
    plain: Timing


def measured(case: Case, rounds: int, limit: float) -> dict[str, dict[str, Any]]:
    """Contestant → seconds, ratios to a plain forward, MiB over it, pairs of runs, load.

    Of one that was stopped at the limit, ``more_than`` the ratio. Nothing where the method does not
    fit the network.
    """
    names = list(Contest(*case).runs())
    runs = {name: Contest(*case).runs()[name] for name in names}
    ours = _first(OURS, runs[OURS], limit)
    if ours is None:
        return {}
    others = {name: _first(name, run, limit) for name, run in runs.items() if name != OURS}
    first = {PLAIN: others[PLAIN], OURS: ours, **others}
    going = {name: one for name, one in first.items() if one is not None and not one.stopped}
    # What a first run costs more is nothing beside a slow one.
    quick = [name for name, one in going.items() if name == PLAIN or one.elapsed < SLOW]
    pairs: dict[str, list[Pair]] = {name: [] for name in quick}
    for _ in range(rounds):
        for name in quick:
            pairs[name] += turn(runs[name], runs[PLAIN])
    for name in going.keys() - set(quick):
        pairs[name] = [Pair(going[name], _median([pair.plain for pair in pairs[PLAIN]]))]
    growth = peak_growths(case, quick) if OURS in quick else {}
    rows: dict[str, dict[str, Any]] = {}
    for name, one in first.items():
        if name in pairs:
            rows[name] = ratios(pairs[name])
            if name in growth:
                rows[name]["extra_mib"] = round(growth[name] - growth[PLAIN])
            rows[name] |= {"pairs": len(pairs[name]), "load": round(os.getloadavg()[0], 1)}
        elif one is not None:
            plain = _median([pair.plain for pair in pairs[PLAIN]]).elapsed
            rows[name] = {"more_than": round(one.elapsed / plain)}
    return rows


def ratios(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Seconds of a contestant, and the medians of its ratios to the plain forward."""
    elapsed = statistics.median(pair.run.elapsed / pair.plain.elapsed for pair in pairs)
    processor = statistics.median(pair.run.processor / pair.plain.processor for pair in pairs)
    return {
        "seconds": round(_median([pair.run for pair in pairs]).elapsed, 4),
        "ratio": round(elapsed, 3),
        "processor": round(processor, 3),
    }


def _median(turns: Sequence[Timing]) -> Timing:
    """Of each time by itself."""
    return Timing(
        statistics.median(one.elapsed for one in turns),
        statistics.median(one.processor for one in turns),
    )


def turn(run: Run, plain: Run) -> list[Pair]:
    """Runs of a contestant, each after a plain forward.

    A shared machine is now faster, now slower, within a second: a ratio is that of neighbours.
    """
    time.sleep(REST)
    run()
    pairs: list[Pair] = []
    end = time.perf_counter() + TURN
    while not pairs or time.perf_counter() < end:
        before = _timed(plain)
        pairs.append(Pair(_timed(run), before))
    return pairs


def _timed(run: Run) -> Timing:
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return Timing(time.perf_counter() - clock, time.process_time() - processor)


def _first(name: str, run: Run, limit: float) -> Timing | None:
    """A first run, which can cost more; None where the contestant refuses the case."""
    clock, processor = time.perf_counter(), time.process_time()
    stopped = False
    try:
        with stopped_after(limit):
            run()
    except OverLimitError:
        stopped = True
    except Exception as error:  # noqa: BLE001 - a peer's, of any kind
        print(f"{name}: {type(error).__name__}: {str(error).splitlines()[0][:100]}")
        return None
    return Timing(time.perf_counter() - clock, time.process_time() - processor, stopped)


@contextmanager
def stopped_after(limit: float) -> Iterator[None]:
    """What runs inside longer than so many seconds ends in OverLimitError."""

    def stop(*about: object) -> None:
        raise OverLimitError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def peak_growths(case: Case, names: Sequence[str]) -> dict[str, float]:
    """Contestant → MiB by which the resident set grows in a run; {} but on Linux.

    Args:
        case: of which the contestants are.
        names: of contestants, the plain forward among them.
    """
    if not Path("/proc/self/clear_refs").exists():
        return {}
    # A fixed threshold: blocks above it are mapped one by one, and unmapped when they are freed.
    allocator = {"MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--peaks", *map(str, case), *names]
    done = subprocess.run(command, env=os.environ | allocator, stdout=subprocess.PIPE, check=True)
    growths: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return growths


def _peaks(case: Case, names: Sequence[str]) -> dict[str, float]:
    """As :func:`peak_growths`, in this process."""
    runs = Contest(*case).runs()
    growths = {}
    for name in names:
        runs[name]()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is from here on
        before = _of_status("VmRSS")
        runs[name]()
        growths[name] = _of_status("VmHWM") - before
    return growths


def memory_again(case: Case, rows: dict[str, dict[str, Any]]) -> None:
    """Measure the memory anew of contestants whose memory was measured.

    Args:
        case: of which they are.
        rows: as of :func:`measured`; changed.
    """
    names = [name for name, row in rows.items() if "extra_mib" in row]
    growths = peak_growths(case, names) if names else {}
    for name, growth in growths.items():
        rows[name]["extra_mib"] = round(growth - growths[PLAIN])


def _of_status(name: str) -> float:
    """MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Those that are requested."""
    for batch in options.batch:
        for network in NETWORKS:
            for case in ASKED:
                if _named(network, options.networks) and _named(case, options.only):
                    yield network, batch, case


def _named(name: str, parts: Sequence[str]) -> bool:
    """Whether a name is meant: by its start, or as a whole with a full stop behind it."""
    return any(name.startswith(part) or f"{name}." == part for part in parts)


def markdown(document: dict[str, Any]) -> str:
    """All results as a table."""
    lines = [
        f"# Speed\n\n{document['about']}\n",
        "¹ An earlier measurement, whose ratio is one of processor time.\n",
        "| network | images | method | contestant | × a plain forward | processor time "
        "| memory over it | load |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, rows in document["results"].items():
        network, batch, case = key.split(" | ")
        for name, row in rows.items():
            memory = f"{row['extra_mib']:+.0f} MiB" if "extra_mib" in row else ""
            ratio = f"{row['ratio']:.2f}" if "ratio" in row else f"> {row['more_than']}"
            earlier = "¹" if "ratio" in row else ""
            processor = f"{row['processor']:.2f}" if "processor" in row else earlier
            about = f"{processor} | {memory} | {row.get('load', '')}"
            lines.append(f"| {network} | {batch} | {case} | {name} | {ratio} | {about} |")
    return "\n".join([*lines, ""])


def _place(result: tuple[str, object]) -> tuple[int, ...]:
    """Of a case among the results: by network, number of images and method."""
    network, batch, case = result[0].split(" | ")
    return list(NETWORKS).index(network), int(batch), ASKED.index(case)


def main() -> None:
    """Measure what is missing, and write after each case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--networks", nargs="*", default=[""], help="starts of names")
    parser.add_argument("--only", nargs="*", default=[""], help="starts of names of methods")
    parser.add_argument("--batch", nargs="*", type=int, default=[1, 8])
    parser.add_argument("--again", action="store_true", help="also what is measured already")
    parser.add_argument("--memory", action="store_true", help="of that the memory alone, anew")
    parser.add_argument("--peaks", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=float, default=300, help="seconds of one run")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ["TQDM_DISABLE"] = "1"
    if options.peaks:
        network, batch, asked, *names = options.peaks
        print(json.dumps(_peaks((network, int(batch), asked), names)))
        return
    document = json.loads(options.out.read_text()) if options.out.is_file() else {"results": {}}
    if not options.memory:
        document["about"] = {
            "machine": platform.platform(terse=True),
            "processors": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
    for case in cases(options):
        key = " | ".join(map(str, case))
        rows = document["results"].get(key)
        if options.memory and rows:
            memory_again(case, rows)
        elif not options.memory and (rows is None or options.again):
            document["results"][key] = measured(case, options.rounds, options.limit)
        else:
            continue
        print(key, document["results"][key], flush=True)
        document["results"] = dict(sorted(document["results"].items(), key=_place))
        options.out.write_text(json.dumps(document, indent=1) + "\n")
        options.out.with_suffix(".md").write_text(markdown(document))


if __name__ == "__main__":
    main()
