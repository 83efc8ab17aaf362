"""A whole cohort: speed, memory and disk of `run`, `compare` and `report`; and random kill -9.

    python benchmarks/cohort.py [--films 2000]
    python benchmarks/cohort.py --kill 10 [--films 960] [--seed 0]

Films are SYNTHETIC, 128², one a patient, drawn by camlucida.phantom; models are the packaged ones.
Every command is a process of its own. Its memory is what it holds of its own (RssAnon, looked at
every 50 ms), and the peak of its resident set (VmHWM), which also counts the pages of the
libraries' files: Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from camlucida.io import write_synthetic_png
from camlucida.models import load_model
from camlucida.phantom import film, model_cards
from camlucida.phantom.findings import FINDINGS
from camlucida.runs.run import PART

COHORT = """\
name = "phantom"
images = "films"
table = "labels.csv"
masks = "masks"
[[models]]
card = "{first}"
{second}[explain]
target = "pneumothorax"
"""
NOT_COMPARED = (
    "run.json's command and notes, attempts and deaths in the ledger (it is compared row by row), "
    "writer.lock"
)


@dataclass
class Watched:
    """A watched process: wall and CPU seconds, peak MiB, (seconds, share done, MiB) over time."""

    seconds: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0
    code: int = 0
    looks: list[tuple[float, float, float]] = field(default_factory=list)

    def began(self) -> float:
        """When the first share was done: what came before is start-up, planning and hashing."""
        return next((at for at, share, _ in self.looks if share > 0), self.seconds)

    def cost(self) -> str:
        return f"{self.seconds:.1f} s ({self.cpu:.1f} s of CPU), peak {self.peak:.0f} MiB"

    def memory(self, share: float) -> float:
        """Most memory of its own up to that share of the work, MiB."""
        return max((mib for _, done, mib in self.looks if done <= share), default=0.0)


def write_cohort(folder: Path, films: int) -> None:
    """Films, masks of their pneumothorax, a table, and COHORT.toml."""
    for name in ("films", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows = [",".join(["image", "patient", *FINDINGS])]
    for seed in range(films):
        present = [
            name for name in FINDINGS if np.random.default_rng([9, seed, len(name)]).random() < 0.3
        ]
        drawn = film(seed, present, size=128)
        write_synthetic_png(folder / f"films/f{seed:05d}.png", drawn.image)
        if "pneumothorax" in present:
            write_synthetic_png(
                folder / f"masks/f{seed:05d}.png",
                drawn.masks["pneumothorax"].astype(np.uint8) * 255,
            )
        rows.append(",".join([f"f{seed:05d}", f"p{seed:05d}", *map(str, drawn.labels)]))
    (folder / "labels.csv").write_text("\n".join([*rows, ""]))
    cards = model_cards()
    second = f'[[models]]\ncard = "{cards["honest_resnet"]}"\n'
    (folder / "one.toml").write_text(COHORT.format(first=cards["honest_densenet"], second=""))
    (folder / "two.toml").write_text(COHORT.format(first=cards["honest_densenet"], second=second))


def camlucida(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "camlucida", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def watch(process: subprocess.Popen[str], done: Callable[[], float] = lambda: 0.0) -> Watched:
    """Look at a process until it ends; ``done`` says which share of its work is."""
    start, seen, before = time.perf_counter(), Watched(), _children_cpu()
    while process.poll() is None:
        status = dict(
            line.split(":", 1)
            for line in _text(Path(f"/proc/{process.pid}/status")).splitlines()
            if ":" in line
        )
        if "VmRSS" in status:
            seen.peak = int(status["VmHWM"].split()[0]) / 1024
            seen.looks.append(
                (time.perf_counter() - start, done(), int(status["RssAnon"].split()[0]) / 1024)
            )
        time.sleep(0.05)
    seen.seconds, seen.code = time.perf_counter() - start, process.returncode
    seen.cpu = _children_cpu() - before
    output = process.communicate()[0]
    if seen.code not in (0, -signal.SIGKILL):
        print(output, file=sys.stderr)
    return seen


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile
        return ""


def settled(out: Path, items: int) -> float:
    """Share of a run's items that are done, by its parts."""
    return min(1.0, len(list(out.glob("meta/part-*.parquet"))) * PART / items)


def mib(paths: Iterator[Path]) -> float:
    return sum(path.stat().st_size for path in paths if path.is_file()) / 2**20


def plain_rate(folder: Path, films: int) -> tuple[float, float]:
    """Films a CPU second of the model alone, batch 8: tensors in memory, and read from files."""
    model = load_model(model_cards()["honest_densenet"], device="cpu")
    paths = sorted((folder / "films").glob("*.png"))[: min(films, 512)]

    def through(read: Callable[[Path], torch.Tensor]) -> float:
        start = time.process_time()
        with torch.no_grad():
            for at in range(0, len(paths), 8):
                model.module(torch.stack([read(path) for path in paths[at : at + 8]]))
        return len(paths) / (time.process_time() - start)

    kept = model.read(paths[0]).tensor
    through(lambda _: kept)  # warm up
    return through(lambda _: kept), through(lambda path: model.read(path).tensor)


def measure(folder: Path, films: int) -> None:
    """The table: a run of one model, of two models, and what reads them."""
    alone, reading = plain_rate(folder, films)
    print(f"| plain forward, no files read | {alone:.0f} films in a second of CPU |")
    print(f"| films read, plain forward | {reading:.0f} films in a second of CPU |")
    for name, models in (("one", 1), ("two", 2)):
        out, items = folder / f"run_{name}", films * models
        seen = watch(
            camlucida("run", folder / f"{name}.toml", "--out", out),
            lambda out=out, items=items: settled(out, items),
        )
        rate = items / (seen.seconds - seen.began())
        print(
            f"| run, {models} model(s) | {seen.cost()}; {seen.began():.1f} s before the first "
            f"part, then {rate:.0f} films/s |"
        )
        marks = ", ".join(f"{seen.memory(share):.0f}" for share in (0.1, 0.5, 1))
        print(f"| memory of its own up to 10 %, 50 %, 100 % of its items | {marks} MiB |")
        maps, whole = mib(out.glob("maps/*")), mib(out.rglob("*"))
        size = (
            f"{whole:.1f} MiB, {whole * 1024 / items:.2f} KiB a map ({maps * 1024 / items:.2f} of "
            "them the map)"
        )
        print(f"| on disk | {size}; {len(list(out.glob('meta/*')))} parts |")
        idle = watch(camlucida("run", folder / f"{name}.toml", "--out", out, "--resume"))
        print(f"| resumed with nothing to do | {idle.cost()} |")
        print(
            f"| the first less the second | {items / (seen.cpu - idle.cpu):.0f} films in a second "
            "of CPU |",
            flush=True,
        )
    for title, words in (
        ("show", ("show", folder / "run_two")),
        ("report, 1 model", ("report", folder / "run_one")),
        ("compare, 2 models", ("compare", folder / "run_two", "--out", folder / "comparison")),
        ("report, 2 models", ("report", folder / "run_two")),
    ):
        seen = watch(camlucida(*words))
        print(f"| {title} | {seen.cost()}, exit code {seen.code} |", flush=True)


def kill(folder: Path, films: int, times: int, seed: int) -> bool:
    """Kill -9 a run that often at random moments and resume; True if it ends as another did."""
    cohort, whole, out = folder / "one.toml", folder / "whole", folder / "killed"
    seen = watch(camlucida("run", cohort, "--out", whole), lambda: settled(whole, films))
    print(
        f"uninterrupted: {seen.seconds:.1f} s, {seen.began():.1f} s of them before the first part"
    )
    rng, killed = random.Random(seed), 0
    for number in range(times):
        process, begun = camlucida("run", cohort, "--out", out, "--resume"), time.time()
        early = (
            number % 5 == 4
        )  # while it starts, plans or hashes; else while it computes and writes
        while process.poll() is None and not early and not (_changed(out / "run.json") >= begun):
            time.sleep(0.01)
        moment = (
            rng.uniform(0, seen.began())
            if early
            else rng.uniform(0, 1.6 * (seen.seconds - seen.began()) / times)
        )
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        since = "its start" if early else "it began to write"
        print(
            f"{process.returncode} {moment:.2f} s after {since}: {settled(out, films):.0%} in "
            "parts",
            flush=True,
        )
    code = watch(camlucida("run", cohort, "--out", out, "--resume")).code
    differ = differences(whole, out)
    print(
        f"killed {killed} times, then resumed (exit code {code}):",
        "; ".join(differ) or "byte for byte the same",
    )
    print(f"not compared: {NOT_COMPARED}")
    return not differ and not code and killed == times


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two run folders, but for :data:`NOT_COMPARED`."""
    names = {
        path.relative_to(root).as_posix()
        for root in (one, other)
        for path in root.rglob("*")
        if path.is_file()
    }
    plain = sorted(names - {"ledger.sqlite", "run.json", "writer.lock"})
    differing = [name for name in plain if _bytes(one / name) != _bytes(other / name)]
    about = [json.loads((root / "run.json").read_text()) for root in (one, other)]
    differing += [
        f"run.json: {key}" for key in about[0] | about[1] if about[0].get(key) != about[1].get(key)
    ]
    differing = [name for name in differing if name not in ("run.json: command", "run.json: notes")]
    return differing + (["ledger.sqlite"] if _ledger(one) != _ledger(other) else [])


def _changed(path: Path) -> float:
    return path.stat().st_mtime if path.is_file() else 0.0


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _ledger(root: Path) -> list[list[tuple[object, ...]]]:
    items = (
        "SELECT image, model, position, state, identity, part, row, failure, missing FROM items "
        "ORDER BY image, model"
    )
    with closing(sqlite3.connect(root / "ledger.sqlite")) as db:
        return [
            db.execute(sql).fetchall()
            for sql in (items, "SELECT * FROM parts", "SELECT * FROM provenance ORDER BY hash")
        ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=None, help="Default: 2000; with --kill 960.")
    parser.add_argument(
        "--kill",
        type=int,
        default=0,
        metavar="TIMES",
        help="Kill a run that often instead of measuring one.",
    )
    parser.add_argument("--seed", type=int, default=0, help="Of the moments of death.")
    parser.add_argument(
        "--folder",
        type=Path,
        default=None,
        help="Keep everything there. Default: a temporary folder.",
    )
    arguments = parser.parse_args()
    films = arguments.films or (960 if arguments.kill else 2000)
    machine = f"{platform.machine()}, {os.cpu_count()} CPU cores, {torch.get_num_threads()} threads"
    print(f"{machine}, PyTorch {torch.__version__}; {films} films")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        start = time.perf_counter()
        write_cohort(folder, films)
        print(f"films drawn in {time.perf_counter() - start:.0f} s", flush=True)
        if arguments.kill:
            sys.exit(not kill(folder, films, arguments.kill, arguments.seed))
        measure(folder, films)


if __name__ == "__main__":
    main()
