"""The workbench: memory over many explanations, time from drop to map, and frames a second.

    python benchmarks/workbench.py [memory] [drop] [live] [frames] [--films FOLDER] [--count 500]

Each part starts a server of its own, as a user does. ``memory`` gives a film, takes its findings
and a map, and removes it, 500 times with a packaged model, and looks at the resident memory of the
server and its processes every 50. ``drop`` gives films of 1024 × 1024 to a page in Chromium, with
DenseNet-121 of random weights on the CPU. ``live`` chooses other labels, methods and layers of a
film there, from the choice to the picture. ``frames`` changes the opacity at each frame of the
screen, threshold, level, zoom and place, too, on films of 1024² and of 3000 × 4000 with 16 bits,
and scrolls a gallery of 10,000 cases. Chromium has no GPU here: it draws in software, at 60
frames a second at most.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import numpy as np
import psutil
from explain import CARD as DENSENET_CARD
from explain import LABELS, NETWORK
from PIL import Image
from playwright.sync_api import BrowserContext, Page, sync_playwright

from camlucida.core.png import png_bytes
from camlucida.phantom import film

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
SIDE = 1024
MAMMOGRAM = (4000, 3000)
EVERY = 50
DROPS = 6
FRAMES = 180
CHANGES = ("Opacity", "Hide below", "Level", "zoom", "move")
METHODS = ("layercam", "gradcam_pp", "xgradcam", "hirescam", "gradcam")
CASES = 10_000
PAUSE = 3000

DRAG = """async ([frames, change]) => {
  const root = document.querySelector(".host").shadowRoot;
  const stage = root.querySelector(".stage");
  const canvas = stage.querySelector("canvas");
  const next = () => new Promise(requestAnimationFrame);
  const box = stage.getBoundingClientRect();
  const at = (share) => ({
    clientX: box.left + box.width * share, clientY: box.top + box.height * share,
    bubbles: true, cancelable: true, pointerId: 1, isPrimary: true, button: 0, buttons: 1,
  });
  const slide = (name) => {
    const label = [...root.querySelectorAll("label")].find((each) => each.textContent === name);
    const slider = root.getElementById(label.htmlFor);
    const [low, high] = [Number(slider.min), Number(slider.max)];
    return (wave) => {
      slider.value = low + (high - low) * (0.5 + 0.5 * wave);
      slider.dispatchEvent(new Event("input"));
    };
  };
  const zoom = (wave) => {
    const deltaY = wave > 0 ? -20 : 20;
    stage.dispatchEvent(new WheelEvent("wheel", { ...at(0.5), deltaY }));
  };
  const move = (wave) => stage.dispatchEvent(new PointerEvent("pointermove", at(0.5 + 0.2 * wave)));
  const step = { zoom, move }[change] ?? slide(change);
  let coarsest = 1;
  await next();
  if (change === "move") stage.dispatchEvent(new PointerEvent("pointerdown", at(0.5)));
  const start = performance.now();
  for (let i = 0; i < frames; i++) {
    step(Math.sin(i / 9));
    await next();
    coarsest = Math.max(coarsest, canvas.clientWidth / canvas.width);
  }
  const rate = 1000 * frames / (performance.now() - start);
  if (change === "move") stage.dispatchEvent(new PointerEvent("pointerup", at(0.5)));
  return [rate, coarsest];
}"""

CHOOSE = """async ([selector, value]) => {
  const root = document.querySelector(".host").shadowRoot;
  const shown = () => root.querySelector("[role=option]").textContent;
  const before = shown();
  const next = () => new Promise(requestAnimationFrame);
  const chosen = document.querySelector(selector);
  const start = performance.now();
  if (value === null) {
    chosen.click();
  } else {
    chosen.value = value;
    chosen.dispatchEvent(new Event("change"));
  }
  while (shown() === before) await next();
  await next();
  return performance.now() - start;
}"""

SCROLL = """async (frames) => {
  const gallery = document.querySelector(".gallery");
  const next = () => new Promise(requestAnimationFrame);
  await next();
  const start = performance.now();
  for (let i = 0; i < frames; i++) {
    gallery.scrollTop += 60;
    await next();
  }
  return 1000 * frames / (performance.now() - start);
}"""


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        process: it and its children.
        address: the one-time address.
    """

    process: psutil.Popen
    address: str

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    def memory(self) -> float:
        """Resident memory of the server and its processes in MiB."""
        processes = [self.process, *self.process.children(recursive=True)]
        return sum(each.memory_info().rss for each in processes) / 2**20


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[Server]:
    """A server with its state in a folder."""
    command = [sys.executable, "-m", "camlucida", "serve", "--no-browser", "--device", "cpu"]
    command += ["--port", str(free_port()), "--state", str(folder / "state"), *arguments]
    process = psutil.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for line in process.stdout:
            if match := re.search(r"http://\S+/open\?token=\S+", line):
                yield Server(process, match[0])
                return
        raise SystemExit("the server did not start")
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """A port that nothing uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def browser(server: Server) -> Iterator[BrowserContext]:
    """Chromium, known to the server."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(300_000)
        page = context.new_page()
        page.goto(server.address)
        page.close()
        yield context
        chromium.close()


def pictures(
    folder: Path | None, size: tuple[int, int], count: int, bits: int = 8
) -> Iterator[bytes]:
    """PNG films of a size, of a folder or synthetic, none equal to another."""
    paths = sorted(folder.glob("*.png")) if folder else []
    for number in range(count):
        if paths:
            picture = Image.open(paths[number % len(paths)]).convert("L")
        else:
            picture = Image.fromarray(film(number % 8).image)
        pixels = np.asarray(picture.resize(size[::-1], Image.Resampling.BICUBIC))
        if bits == 16:
            noise = np.random.default_rng(number).integers(0, 257, size, np.uint16)
            pixels = 256 * pixels.astype(np.uint16) + np.minimum(noise, 255)
        yield png_bytes(np.roll(pixels, 3 * number, axis=0))


def memory(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Resident memory while films are explained."""
    seen: list[float] = []
    with served(folder) as server:
        client = httpx2.Client(base_url=server.origin, timeout=300)
        client.get(server.address)
        client.headers["origin"] = server.origin
        model = client.get("/api/models").json()[0]["id"]
        for number, content in enumerate(pictures(options.films, (512, 512), options.count), 1):
            explain(client, model, content)
            if number % EVERY == 0:
                seen.append(server.memory())
                print(f"  {number} explanations: {seen[-1]:.0f} MiB", flush=True)
    first = seen[0]
    changes = [100 * (each / first - 1) for each in seen]
    return {"mib": seen, "largest change in percent": max(changes, key=abs)}


def explain(client: httpx2.Client, model: str, content: bytes) -> None:
    """One film: given, shown, predicted, explained and removed."""
    film = checked(client.post("/api/films?name=film.png", content=content)).json()["id"]
    checked(client.get(f"/api/films/{film}"))
    findings = checked(client.get(f"/api/models/{model}/findings/{film}")).json()["findings"]
    request = {"model": model, "film": film, "target": findings[0]["target"]}
    checked(client.post("/api/maps", json=request))
    checked(client.delete(f"/api/films/{film}"))


def checked(reply: httpx2.Response) -> httpx2.Response:
    """The reply, which has to be one."""
    reply.raise_for_status()
    return reply


def densenet(folder: Path) -> Path:
    """The card of DenseNet-121 with random weights."""
    (folder / "net.py").write_text(NETWORK)
    labels = ", ".join(f'"finding {number}"' for number in range(LABELS))
    card = folder / "card.toml"
    card.write_text(DENSENET_CARD.format(labels=labels))
    return card


def drop(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Seconds from a film's drop to its map on the screen."""
    seconds = []
    films = [folder / f"{number}.png" for number in range(DROPS + 1)]
    for path, content in zip(films, pictures(options.films, (SIDE, SIDE), len(films))):
        path.write_bytes(content)
    start_with, *given = films
    arguments = (str(start_with), "--models", str(densenet(folder)))
    with served(folder, *arguments) as server, browser(server) as context:
        page = context.new_page()
        start = time.perf_counter()
        page.goto(server.origin)
        shown(page, start_with.name)
        opened = time.perf_counter() - start
        for path in given:
            start = time.perf_counter()
            with page.expect_response("**/api/maps"):
                page.set_input_files("input[type=file]", path)
            shown(page, path.name)
            seconds.append(time.perf_counter() - start)
    return {"first page with its map": opened, "drop to map": statistics.median(seconds)}


def live(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Milliseconds from the choice of another label, method or layer to its map on the screen.

    A reader looks at the first map for a few seconds. ``layer at once`` is chosen as soon as the
    map of another label is drawn, which leaves no time to compute ahead; ``layer`` comes later.
    """
    film = folder / "film.png"
    film.write_bytes(next(pictures(options.films, (SIDE, SIDE), 1)))
    arguments = (str(film), "--models", str(densenet(folder)))
    with served(folder, *arguments) as server, browser(server) as context:
        page = context.new_page()
        page.goto(server.origin)
        shown(page, film.name)
        page.wait_for_timeout(PAUSE)
        labels = [(f".findings li:nth-child({number}) button", None) for number in range(2, 10)]
        methods = [("select[aria-label=Method]", name) for name in METHODS]
        layers = page.locator("select[aria-label=Layer] option").evaluate_all(
            "options => options.map((option) => option.value)"
        )
        chosen = [("select[aria-label=Layer]", layer) for layer in layers]
        times: dict[str, list[float]] = {
            "label": [page.evaluate(CHOOSE, list(change)) for change in labels],
            "method": [page.evaluate(CHOOSE, list(change)) for change in methods],
            "layer at once": [],
        }
        # Late layers first, so that no pass of a later one has served an earlier one.
        for label, change in zip(labels, reversed(chosen)):
            page.evaluate(CHOOSE, list(label))
            times["layer at once"].append(page.evaluate(CHOOSE, list(change)))
        page.wait_for_timeout(PAUSE)
        times["layer"] = [page.evaluate(CHOOSE, list(change)) for change in chosen[1:]]
    return {
        name: {"median ms": statistics.median(each), "most ms": max(each)}
        for name, each in times.items()
    }


def shown(page: Page, film: str) -> None:
    """Wait until a film and a map of it are drawn."""
    page.locator(".films button[aria-pressed=true]", has_text=film).wait_for()
    page.locator(".host [role=option]").nth(1).wait_for()
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def frames(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Frames a second of a slider's drag and of a gallery's scrolling."""
    rates: dict[str, Any] = {}
    films = {"1024²": ((SIDE, SIDE), 8), "3000 × 4000, 16 bits": (MAMMOGRAM, 16)}
    paths = []
    for number, (size, bits) in enumerate(films.values()):
        path = folder / f"{number}.png"
        path.write_bytes(next(pictures(options.films, size, 1, bits)))
        paths.append(path)
    with served(folder, *map(str, paths)) as server, browser(server) as context:
        page = context.new_page()
        page.goto(server.origin)
        for name, path in zip(films, paths):
            page.get_by_role("button", name=f"Open {path.name}").click()
            shown(page, path.name)
            for change in CHANGES:
                rates[f"{change} at {name}"] = frame_rate(page, change)
        rates[f"scrolling of {CASES:,} cases"] = {"frames a second": scrolling(context, server)}
    return rates


def frame_rate(page: Page, change: str) -> dict[str, float]:
    """Frames of a change that goes on: a slider by its label, the zoom, or the place."""
    processor = chromium_seconds()
    rate, coarsest = page.evaluate(DRAG, [FRAMES, change])
    return {
        "frames a second": rate,
        "processor ms a frame": 1000 * (chromium_seconds() - processor) / FRAMES,
        "screen pixels a drawn one": coarsest,
    }


def chromium_seconds() -> float:
    """Processor time of the browser, which other work on the machine does not lengthen."""
    children = psutil.Process().children(recursive=True)
    times = [each.cpu_times() for each in children if "chrom" in each.name()]
    return sum(each.user + each.system for each in times)


def scrolling(context: BrowserContext, server: Server) -> float:
    """Of the gallery, whose cases are made here."""
    thumbnail = next(pictures(None, (192, 192), 1))
    page = context.new_page()

    def answer(route: Any) -> None:
        address = route.request.url
        if address.endswith("/runs"):
            route.fulfill(json=[{"id": "run", "name": "run"}])
        elif address.endswith(".png"):
            route.fulfill(body=thumbnail, content_type="image/png")
        elif "/points" in address:
            route.fulfill(json={"x": [], "y": [], "total": 0})
        elif "/cases" in address:
            first = int(address.partition("cursor=")[2].partition("&")[0])
            numbers = range(first, min(first + 60, CASES))
            rows = [{"case_id": i, "image": f"film {i}", "target": "a"} for i in numbers]
            route.fulfill(json={"cases": rows, "total": CASES, "next": None})
        else:
            route.fulfill(json={"id": "run", "name": "run", "cases": CASES, "columns": []})

    page.route("**/api/runs**", answer)
    page.route("**/api/runs/**", answer)
    page.goto(f"{server.origin}/#/cohort")
    page.locator(".cell").first.wait_for()
    return float(page.evaluate(SCROLL, FRAMES))


PARTS: dict[str, Callable[[argparse.Namespace, Path], dict[str, Any]]] = {
    "memory": memory,
    "drop": drop,
    "live": live,
    "frames": frames,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts, print their numbers, and keep them as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--films", type=Path, help="folder of PNG films; default: synthetic")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    results = {}
    for name in options.parts or PARTS:
        print(name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            results[name] = PARTS[name](options, Path(folder))
        print(json.dumps(results[name], indent=2), flush=True)
    options.out.mkdir(exist_ok=True)
    (options.out / "workbench.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
