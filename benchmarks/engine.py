"""Time and peak memory of explaining, relative to a forward pass, beside grad-cam and torchcam.

    python benchmarks/engine.py [--rounds 7] [--only NAME …] [--out benchmarks/results]

Contestants of a scenario take turns, round by round, and the median counts, so that a slow minute
of the machine hits all of them. Memory is the growth of the peak resident set over a plain
forward's, each contestant in a process of its own.
Weights are random: they change no time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

import camlucida as cl

GRADIENT_METHODS = [
    "gradcam",
    "gradcam_pp",
    "hirescam",
    "gradcam_elementwise",
    "xgradcam",
    "layercam",
    "eigengradcam",
]
PEER_METHODS = [
    "GradCAM",
    "GradCAMPlusPlus",
    "HiResCAM",
    "GradCAMElementWise",
    "XGradCAM",
    "LayerCAM",
    "EigenGradCAM",
]
Run = Callable[[], object]


@dataclass(frozen=True)
class Scenario:
    """What is timed: a model, an input shape, and what to ask of it."""

    model: str
    shape: tuple[int, ...]
    layer: str
    ask: str
    rounds: int | None = None
    goal: str = ""


SCENARIOS = {
    "densenet121 224² B1 gradcam": Scenario(
        "densenet121", (1, 3, 224, 224), "features.norm5", "gradcam", goal="≤ 1.10"
    ),
    "densenet121 224² B8 gradcam": Scenario(
        "densenet121", (8, 3, 224, 224), "features.norm5", "gradcam", goal="≤ 1.05"
    ),
    "resnet50 224² B8 gradcam": Scenario(
        "resnet50", (8, 3, 224, 224), "layer4", "gradcam", goal="≤ 1.05"
    ),
    "efficientnet_b0 512² B4 gradcam": Scenario(
        "efficientnet_b0", (4, 3, 512, 512), "features.8", "gradcam", goal="≤ 1.05"
    ),
    "densenet121 224² B1 18 labels": Scenario(
        "densenet121", (1, 3, 224, 224), "features.norm5", "labels", goal="≤ 1.25"
    ),
    "densenet121 224² B1 all gradient methods": Scenario(
        "densenet121", (1, 3, 224, 224), "features.norm5", "methods", goal="≤ 1.30"
    ),
    "densenet121 224² B1 ablationcam": Scenario(
        "densenet121", (1, 3, 224, 224), "features.norm5", "ablation", 3, "≤ 2.5"
    ),
    "densenet121 224² B1 scorecam": Scenario(
        "densenet121", (1, 3, 224, 224), "features.norm5", "score", 1, "≤ either peer"
    ),
}


def contestants(scenario: Scenario) -> dict[str, Run]:
    """Name → what to time. The plain forward comes first."""
    import pytorch_grad_cam as pgc
    import torchcam.methods as tc
    import torchvision
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    torch.manual_seed(0)
    model = torchvision.models.get_model(scenario.model, weights=None, num_classes=18).eval()
    x = torch.randn(scenario.shape)
    layer = model.get_submodule(scenario.layer)
    labels = list(range(18)) if scenario.ask == "labels" else [3]

    def plain() -> object:
        with torch.no_grad():
            return model(x)

    def ours() -> object:
        methods = {
            "ablation": ["ablationcam"],
            "score": ["scorecam"],
            "methods": GRADIENT_METHODS,
        }.get(scenario.ask, ["gradcam"])
        return cl.explain(model, x, target=labels, method=methods, layer=scenario.layer)

    def grad_cam() -> object:
        names = {"ablation": ["AblationCAM"], "score": ["ScoreCAM"], "methods": PEER_METHODS}.get(
            scenario.ask, ["GradCAM"]
        )
        maps = []
        for name in names:
            with getattr(pgc, name)(model=model, target_layers=[layer]) as cam:
                maps += [
                    cam(input_tensor=x, targets=[ClassifierOutputTarget(k)] * len(x))
                    for k in labels
                ]
        return maps

    def torch_cam() -> object:
        names = {
            "score": ["ScoreCAM"],
            "methods": ["GradCAM", "GradCAMpp", "XGradCAM", "LayerCAM"],
        }.get(scenario.ask, ["GradCAM"])
        maps = []
        for name in names:
            with getattr(tc, name)(model, target_layer=layer) as cam:
                if name == "ScoreCAM":
                    with torch.no_grad():
                        maps.append(cam(3, model(x)))
                    continue
                scores = model(x)
                maps += [cam([k] * len(x), scores, retain_graph=True) for k in labels]
        return maps

    runs: dict[str, Run] = {"plain forward": plain, "camlucida": ours, "grad-cam": grad_cam}
    if scenario.ask != "ablation":  # torchcam has no Ablation-CAM
        runs["torchcam"] = torch_cam
    return runs


def measure(name: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of each contestant, round by round."""
    scenario = SCENARIOS[name]
    runs = contestants(scenario)
    slow = scenario.rounds is not None
    seconds: dict[str, list[float]] = {key: [] for key in runs}
    for key, run in runs.items():
        if not slow or key in ("plain forward", "camlucida"):
            run()  # warm up
    for number in range(rounds):
        for key, run in runs.items():
            heavy = slow and key != "plain forward"
            if heavy and number >= (scenario.rounds or rounds):
                continue
            if scenario.ask == "ablation" and key == "grad-cam" and number:
                continue
            start = time.perf_counter()
            run()
            seconds[key].append(time.perf_counter() - start)
    return seconds


def peak_mib(name: str, contestant: str) -> float:
    """Peak resident set of a fresh process that runs one contestant once, MiB."""
    command = [sys.executable, __file__, "--peak-of", name, contestant]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "TQDM_DISABLE": "1"}
    )
    return float(done.stdout.strip().splitlines()[-1])


def own_peak_mib() -> float:
    """Peak resident set of this process, MiB.

    Linux's getrusage would start from the parent's peak; VmHWM does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 2**10
    )


def report(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """The table, in Markdown."""
    lines = [
        "| scenario | goal | contestant | median | × a plain forward | peak memory over it |",
        "|---|---|---|---|---|---|",
    ]
    for name, rows in results.items():
        for contestant, row in rows.items():
            plain = contestant == "plain forward"
            memory = (
                f"{row['peak_mib']:.0f} MiB in all" if plain else f"{row['extra_mib']:+.0f} MiB"
            )
            goal = SCENARIOS[name].goal if contestant == "camlucida" else ""
            lines.append(
                f"| {name} | {goal} | {contestant} | {row['seconds'] * 1e3:.0f} ms | "
                f"{row['ratio']:.2f} | {memory} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run, print the table, and keep the numbers as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--only", nargs="*", default=list(SCENARIOS), help="parts of scenario names"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument(
        "--peak-of", nargs=2, metavar=("SCENARIO", "CONTESTANT"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ["TQDM_DISABLE"] = "1"
    if options.peak_of:
        contestants(SCENARIOS[options.peak_of[0]])[options.peak_of[1]]()
        print(own_peak_mib())
        return
    results: dict[str, dict[str, dict[str, float]]] = {}
    for name in SCENARIOS:
        if not any(part in name for part in options.only):
            continue
        seconds = measure(name, options.rounds)
        base = statistics.median(seconds["plain forward"])
        plain_peak = peak_mib(name, "plain forward")
        results[name] = {}
        for contestant, values in seconds.items():
            median = statistics.median(values)
            peak = plain_peak if contestant == "plain forward" else peak_mib(name, contestant)
            results[name][contestant] = {
                "seconds": median,
                "ratio": median / base,
                "peak_mib": peak,
                "extra_mib": peak - plain_peak,
                "rounds": len(values),
            }
        print(report({name: results[name]}), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    about = {
        "machine": platform.platform(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    (options.out / "engine.json").write_text(
        json.dumps({"about": about, "results": results}, indent=2) + "\n"
    )
    print(f"\n{about}\n\n{report(results)}")


if __name__ == "__main__":
    main()
