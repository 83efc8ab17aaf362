"""Scale: what the driver and the ledger cost (measured), and what a cluster would do (simulated).

    python benchmarks/scale.py ledger [--items 100000]   # tiny items through driver and ledger
    python benchmarks/scale.py workers [--images 320]    # one process, two, Ray; 50 ms an image
    python benchmarks/scale.py overhead [--rounds 5]     # this process, a worker, Ray, in turn
    python benchmarks/scale.py queries [--items 100000]  # the workbench's API over so many cases
    python benchmarks/scale.py simulate                  # 1 M studies, 1 … 1,000 workers

All but `simulate` run the package's own driver, executors, parts and ledger; only the network is
replaced: by one of a known cost, or by copies of one result. `simulate` is a
simulation of discrete events: it computes no map. Its costs of an item and of a part are what
the others measured, given as options.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import platform
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from camlucida.datasets.cohort import CohortImage
from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.io import write_synthetic_png
from camlucida.runs import execute
from camlucida.runs.compute import ItemResult
from camlucida.runs.driver import Driver
from camlucida.runs.executors import ExecutorConfig, Task, TaskEnd
from camlucida.runs.folder import RunFolder
from camlucida.runs.ledger import Ledger
from camlucida.runs.plan import Loader, ModelPlan, plan_models
from camlucida.runs.run import PART
from camlucida.runs.slots import part_slots

LABELS = 18
GRID = 7

CARD = """
factory = "net.py:build"
task = "multilabel"
labels = {labels}
[input]
size = 32
channels = 1
range = [-1, 1]
"""
NET = """
import time
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, seconds, products):
        super().__init__()
        self.seconds, self.products = seconds, products
        self.matrix = nn.Parameter(torch.eye({side}), requires_grad=False)
        self.features = nn.Sequential(nn.Conv2d(1, 8, 3, 4, 1), nn.ReLU())
        self.head = nn.Linear(8, {count})

    def forward(self, x):
        time.sleep(self.seconds * len(x))
        for _ in range(self.products * len(x)):
            self.matrix @ self.matrix
        return self.head(self.features(x).mean((2, 3)))

def build():
    torch.manual_seed(0)
    return Net({seconds}, {products})
"""
SIDE = 192
"""Of the matrices whose products keep a network busy."""

KINDS = {
    "inline": ExecutorConfig(),
    "process, 1 worker": ExecutorConfig("process", 1),
    "process, 2 workers": ExecutorConfig("process", 2),
    "ray, 1 worker": ExecutorConfig("ray", 1),
    "ray, 2 workers": ExecutorConfig("ray", 2),
}


def write_cohort(
    folder: Path, images: int, seconds: float, labels: int = LABELS, waiting: bool = False
) -> Path:
    """SYNTHETIC images of noise, and a network whose forward pass costs ``seconds`` an image.

    It computes on one core, the same in every process, or waits, as for a GPU.
    """
    torch.set_num_threads(1)
    products = 0 if waiting or not seconds else round(seconds / seconds_of_product())
    waited = seconds if waiting else 0
    network = NET.format(count=labels, seconds=waited, products=products, side=SIDE)
    (folder / "films").mkdir(parents=True)
    names = [f"label{number}" for number in range(labels)]
    (folder / "net.py").write_text(network)
    (folder / "card.toml").write_text(CARD.format(labels=names))
    for number in range(images):
        noise = np.random.default_rng(number).integers(0, 256, (48, 64), np.uint8)
        write_synthetic_png(folder / f"films/{number:06d}.png", noise)
    path = folder / "cohort.toml"
    target = json.dumps(names)
    path.write_text(f'images = "films"\nmodel = "card.toml"\n[explain]\ntarget = {target}\n')
    return path


def seconds_of_product(count: int = 50) -> float:
    """The time of a product of two matrices, on the clock: the shortest of several."""
    matrix = torch.eye(SIDE)
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        for _ in range(count):
            matrix @ matrix
        times.append((time.perf_counter() - begun) / count)
    return min(times)


# ---- measured: the ledger -----------------------------------------------------------------------


class Copies:
    """An executor that computed one image for real, and returns its result for every other."""

    room = 1

    def __init__(self, template: ItemResult) -> None:
        self._template = template
        self._task: Task

    def submit(self, task: Task) -> None:
        self._task = task

    def wait(self) -> list[TaskEnd]:
        images = [image for batch in self._task.batches for image in batch]
        return [TaskEnd(self._task, tuple(map(self._copy, images)))]

    def _copy(self, image: CohortImage) -> ItemResult:
        one = self._template
        named = {"image": image.id, "identity": image.id}
        rows = [row | named for row in one.rows]
        predictions = [row | named for row in one.predictions]
        return ItemResult(
            image, image.id, rows, one.maps, predictions, one.provenance, predicted=True
        )

    def close(self) -> None:
        pass


@dataclass
class Filled:
    """A run of copies of one item, and what it took to write it."""

    folder: RunFolder
    plan: ModelPlan
    seconds: float
    cpu: float
    looks: list[tuple[int, float]]


def fill(folder: Path, items: int, labels: int) -> Filled:
    """A run of so many items, through driver, parts and ledger; its images do not exist."""
    cohort = write_cohort(folder / "cohort", 1, 0.0, labels)
    loader = Loader("cpu")
    (plan,) = plan_models(read_cohort_file(cohort), loader)
    template = run_one(plan, loader)
    images = [
        CohortImage(Path(f"/none/{number:06d}.png"), f"{number:06d}", f"{number // 2}", None, ())
        for number in range(items)
    ]
    run = RunFolder(folder / "run")
    run.make()
    with closing(Ledger.write(run.ledger)) as ledger:
        ledger.set_cohort([(image.id, plan.name) for image in images])
        (slots,) = part_slots([images], PART)
        driver = Driver(run, ledger, Copies(template), plan.name, plan.recipe, 8, len(slots))
        looks: list[tuple[int, float]] = []
        done = 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            looks.append((done, resident()))

        begun, cpu = time.perf_counter(), time.process_time()
        driver.run(slots, progress)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    whole = replace(plan, cohort=replace(plan.cohort, images=tuple(images)))
    return Filled(run, whole, seconds, cpu, looks)


def measure_ledger(folder: Path, items: int) -> None:
    """Items a second through driver, parts and ledger, and the memory meanwhile."""
    for labels in (1, LABELS):
        run = fill(folder / f"labels{labels}", items, labels)
        marks = [memory_at(run.looks, share * items) for share in (0.1, 0.5, 1.0)]
        size = run.folder.ledger.stat().st_size / items
        paths = [path for path in run.folder.root.rglob("*") if path.is_file()]
        disk = sum(path.stat().st_size for path in paths) / items
        print(
            f"| {labels} map(s) an item | {items:,} items in {run.seconds:.1f} s: "
            f"{items / run.seconds:,.0f} items/s ({items / run.cpu:,.0f} in a second of CPU) | "
            f"memory at 10 %, 50 %, 100 %: {', '.join(f'{mark:.0f}' for mark in marks)} MiB | "
            f"ledger {size:.0f} bytes an item, run {disk / 1024:.2f} KiB an item |",
            flush=True,
        )


# ---- measured: queries of the workbench ---------------------------------------------------------


def measure_queries(folder: Path, items: int) -> None:
    """Milliseconds of what the workbench's API looks up in a run of so many cases."""
    from camlucida.runs.run import _record, _write_tables
    from camlucida.web.cases import RunCases

    run = fill(folder, items, 1)
    file = read_cohort_file(folder / "cohort/cohort.toml")
    _write_tables(run.folder, file, [run.plan], _record(file, [run.plan], 8, [], []))
    begun = time.perf_counter()
    cases = RunCases("run", run.folder.root)
    cases.page()
    print(f"| first page, when the run is opened | {time.perf_counter() - begun:.1f} s |")
    middle = items // 2
    calls: dict[str, Callable[[], object]] = {
        "description of the run": cases.describe,
        "first page": cases.page,
        "page of 500, sorted by probability": lambda: cases.page(
            sort="probability", descending=True, count=500
        ),
        "page from the middle": lambda: cases.page(start=middle),
        "text in the image's name": lambda: cases.page(["image~9999"]),
        "probability above 0.5, sorted by patient": lambda: cases.page(
            ["probability>=0.5"], sort="patient"
        ),
        "points of a plot": lambda: cases.points("probability", "score"),
        "one case": lambda: cases.case(middle),
        "film of a case": lambda: cases.film_of(middle),
    }
    for name, call in calls.items():
        call()
        walls, cpus = [], []
        for _ in range(5):
            begun, cpu = time.perf_counter(), time.process_time()
            call()
            walls.append(time.perf_counter() - begun)
            cpus.append(time.process_time() - cpu)
        wall, cpu = 1000 * min(walls), 1000 * min(cpus)
        print(f"| {name} | {wall:.0f} ms (CPU {cpu:.0f} ms) |", flush=True)


def run_one(plan: ModelPlan, loader: Loader) -> ItemResult:
    from camlucida.runs.compute import Worker

    worker = Worker(loader(plan.entry), plan.name, plan.recipe)
    (result,) = worker.process([plan.cohort.images[0]])
    return result


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory_at(looks: list[tuple[int, float]], items: float) -> float:
    return next(mib for done, mib in looks if done >= items)


# ---- measured: executors ------------------------------------------------------------------------


def measure_workers(folder: Path, images: int, seconds: float, waiting: bool) -> None:
    """Images a second once the workers have begun, at a known cost an image."""
    cohort = write_cohort(folder / "cohort", images, seconds, 2, waiting)
    for name, config in KINDS.items():
        timed = timed_run(cohort, folder / name, config)
        print(
            f"| {name} | {timed.whole:.1f} s in all, {timed.first:.1f} s to the first part | "
            f"{1 / timed.each:.2f} images/s after it | driver {timed.cpu:.1f} s of CPU | load "
            f"{os.getloadavg()[0]:.1f} |",
            flush=True,
        )


def measure_overhead(folder: Path, images: int, seconds: float, waiting: bool, rounds: int) -> None:
    """Time an image of one worker relative to this process, run in turn, so that the load of the
    machine meets all alike."""
    cohort = write_cohort(folder / "cohort", images, seconds, 2, waiting)
    names = [name for name in KINDS if "2 workers" not in name]
    each: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names:
            timed = timed_run(cohort, folder / f"{number} {name}", KINDS[name])
            each[name].append(timed.each)
    for name, times in each.items():
        ratios = sorted(np.array(times) / np.array(each["inline"]))
        print(
            f"| {name} | {1000 * np.median(times):.1f} ms an image | {np.median(ratios):.3f} of "
            f"inline ({ratios[0]:.3f} to {ratios[-1]:.3f} in {rounds} rounds) | load "
            f"{os.getloadavg()[0]:.1f} |"
        )


@dataclass(frozen=True)
class Timed:
    """What a run took.

    Attributes:
        whole: seconds in all.
        first: seconds until the first part was done.
        each: seconds an image after it.
        cpu: seconds of processor time of the driver.
    """

    whole: float
    first: float
    each: float
    cpu: float


def timed_run(cohort: Path, out: Path, config: ExecutorConfig) -> Timed:
    ends: list[tuple[float, int]] = []

    def progress(done: int = 0, total: int | None = None) -> None:
        if total is None:
            ends.append((time.perf_counter(), done))

    begun, cpu = time.perf_counter(), time.process_time()
    execute(cohort, out, device="cpu", executor=config, progress=progress)
    whole, cpu = time.perf_counter() - begun, time.process_time() - cpu
    each = (ends[-1][0] - ends[0][0]) / sum(count for _, count in ends[1:])
    return Timed(whole, ends[0][0] - begun, each, cpu)


# ---- simulated ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Costs:
    """What one item and one part cost.

    Attributes:
        item: seconds of a worker for an image and its maps.
        part: seconds of the driver for a part of 32 images.
        ledger: bytes of the ledger for an item.
        disk: bytes of the run for an item.
        start: seconds until a new worker has loaded its model.
        image: bytes of an image in the shared storage.
    """

    item: float
    part: float
    ledger: float
    disk: float
    start: float = 30.0
    image: float = 2e6


@dataclass(frozen=True)
class Site:
    """What surrounds the workers.

    Attributes:
        bandwidth: bytes a second of the shared storage, all workers together.
        between_failures: seconds between failures of one worker, on average.
        spread: sigma of the logarithm of a part's duration.
        stragglers: share of parts that take five times as long.
    """

    bandwidth: float = 50e9
    between_failures: float = 4 * 3600.0
    spread: float = 0.15
    stragglers: float = 0.01


@dataclass
class Outcome:
    """How a simulated run ended."""

    seconds: float = 0.0
    driver: float = 0.0
    storage: float = 0.0
    computing: float = 0.0
    lost: int = 0


def simulate(items: int, workers: int, costs: Costs, site: Site, seed: int = 0) -> Outcome:
    """One driver and its workers, event by event.

    A worker reads a part from the storage (one queue), computes it, and has the next one when the
    driver (another queue) has taken its result. A worker that fails loses its part, which is done
    again, and is replaced after the time of a start.
    """
    rng = random.Random(seed)
    parts = -(-items // PART)
    left, done = parts, 0
    outcome = Outcome(storage=parts * PART * costs.image / site.bandwidth)
    driver_free = storage_free = 0.0
    # (time, worker, seconds that it has computed): idle with 0, at the end of a part otherwise
    events = [(costs.start, worker, 0.0) for worker in range(workers)]
    heapq.heapify(events)
    while done < parts:
        now, worker, computed = heapq.heappop(events)
        if computed:
            driver_free = max(now, driver_free) + costs.part
            done += 1
            outcome.computing += computed
            outcome.seconds = driver_free
            # the executor hands out the next task before the driver writes this one
            heapq.heappush(events, (driver_free - costs.part, worker, 0.0))
            continue
        if left == 0:  # what is lost from now on is done again by the worker that is replaced
            continue
        left -= 1
        storage_free = max(now, storage_free) + PART * costs.image / site.bandwidth
        factor = rng.lognormvariate(0, site.spread) * (5 if rng.random() < site.stragglers else 1)
        end = storage_free + PART * costs.item * factor
        failure = now + rng.expovariate(1 / site.between_failures)
        if failure < end:
            left, outcome.lost = left + 1, outcome.lost + 1
            heapq.heappush(events, (failure + costs.start, worker, 0.0))
        else:
            heapq.heappush(events, (end, worker, end - storage_free))
    outcome.driver = parts * costs.part
    return outcome


def sharded(items: int, workers: int, drivers: int, costs: Costs, site: Site) -> Outcome:
    """Several drivers, each with its shard, its share of the workers and of the bandwidth."""
    share = replace(site, bandwidth=site.bandwidth / drivers)
    each = [
        simulate(-(-items // drivers), workers // drivers, costs, share, seed)
        for seed in range(drivers)
    ]
    total = Outcome(seconds=max(one.seconds for one in each))
    total.driver = max(one.driver for one in each)
    total.storage = max(one.storage for one in each)
    total.computing = sum(one.computing for one in each)
    total.lost = sum(one.lost for one in each)
    return total


def show_simulation(items: int, costs: Costs, site: Site) -> None:
    """The table: workers and drivers → time, loads, cost."""
    print(f"{items:,} studies × {LABELS} labels; {costs}; {site}")
    size = f"ledger {costs.ledger * items / 1e9:.2f} GB, run {costs.disk * items / 1e9:.0f} GB"
    print(f"{size}, {-(-items // PART):,} parts before compaction")
    print(
        "| workers | drivers | hours | items/s | workers compute | driver busy | storage busy | "
        "parts lost | worker hours |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for workers, drivers in (
        *((1, 1), (2, 1), (8, 1), (32, 1), (100, 1), (320, 1), (1000, 1)),
        *((320, 4), (1000, 4), (1000, 10)),
    ):
        end = sharded(items, workers, drivers, costs, site)
        hours = end.seconds / 3600
        print(
            f"| {workers:,} | {drivers} | {hours:,.2f} | {items / end.seconds:,.0f} | "
            f"{end.computing / end.seconds / workers:.0%} | {end.driver / end.seconds:.0%} | "
            f"{end.storage / end.seconds:.0%} | {end.lost} | {hours * workers:,.1f} |",
            flush=True,
        )


# ---- command line -------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("ledger", "workers", "overhead", "queries", "simulate"))
    parser.add_argument("--items", type=int, default=None, help="Default: 100,000; simulated 1 M.")
    parser.add_argument("--images", type=int, default=320, help="Of workers.")
    parser.add_argument("--seconds", type=float, default=0.05, help="Of a worker, for an image.")
    parser.add_argument("--rounds", type=int, default=5, help="Of overhead.")
    parser.add_argument("--waiting", action="store_true", help="The network waits, as for a GPU.")
    parser.add_argument("--part-seconds", type=float, default=0.021, help="Of the driver, a part.")
    parser.add_argument("--ledger-bytes", type=float, default=81, help="Of an item.")
    parser.add_argument("--disk-bytes", type=float, default=5500, help="Of an item.")
    parser.add_argument("--bandwidth", type=float, default=50e9, help="Of the storage, bytes/s.")
    arguments = parser.parse_args()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    machine = f"{platform.machine()}, {os.cpu_count()} CPU cores, load {load}"
    print(f"{machine}, PyTorch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        if arguments.what == "ledger":
            measure_ledger(Path(folder), arguments.items or 100_000)
        elif arguments.what == "queries":
            measure_queries(Path(folder), arguments.items or 100_000)
        elif arguments.what == "workers":
            measure_workers(Path(folder), arguments.images, arguments.seconds, arguments.waiting)
        elif arguments.what == "overhead":
            about = arguments.images, arguments.seconds, arguments.waiting, arguments.rounds
            measure_overhead(Path(folder), *about)
        else:
            costs = Costs(
                arguments.seconds,
                arguments.part_seconds,
                arguments.ledger_bytes,
                arguments.disk_bytes,
            )
            show_simulation(
                arguments.items or 1_000_000, costs, Site(bandwidth=arguments.bandwidth)
            )


if __name__ == "__main__":
    main()
