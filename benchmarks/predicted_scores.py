"""How near the maps of scorecam:fast are to those of Score-CAM, and how right its estimate is.

    python benchmarks/predicted_scores.py [--films FOLDER …] [--again]

The settings of scorecam:fast were chosen on other images and the three packaged models of phantoms.
Here are models that had no part in it: EfficientNet-Lite0 with its weights of ImageNet on
scikit-image's photographs, and classifiers of the packaged trial and density cohorts on films, of
which each is cropped at random. Both methods explain the most probable label. Results are added to
benchmarks/predicted_scores.json, from which docs/reference/methods.md is made; what is there is not
measured again without --again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data

import camlucida as cl
from camlucida import phantom
from camlucida.attribution.explanation import Explanation
from camlucida.models import LoadedModel

RESULTS = Path(__file__).parent / "predicted_scores.json"
LITE0 = Path(__file__).parents[1] / "examples/efficientnet_lite0/card.toml"
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "immunohistochemistry", "retina")
CLASSIFIERS = (
    *("trial_models/main_densenet_1", "trial_models/main_densenet_2"),
    *("trial_models/main_mobilenet_1", "trial_models/main_mobilenet_2"),
    *("density_models/seed42", "density_models/seed43"),
)
SEED = 2026


def photographs() -> Iterator[tuple[str, np.ndarray]]:
    """Name and pixels (H, W, 3) of each photograph."""
    for name in PHOTOGRAPHS:
        yield name, getattr(data, name)()


def crops(folders: Sequence[Path]) -> Iterator[tuple[str, np.ndarray]]:
    """Name and pixels (H, W) of a part of each film, half to nine tenths of its sides."""
    generator = np.random.default_rng(SEED)
    for path in sorted(path for folder in folders for path in folder.glob("*.png")):
        film = np.asarray(Image.open(path).convert("L"))
        share = generator.uniform(0.5, 0.9)
        height, width = (int(share * side) for side in film.shape)
        top = int(generator.uniform(0, film.shape[0] - height))
        left = int(generator.uniform(0, film.shape[1] - width))
        yield path.stem, film[top : top + height, left : left + width]


def correlation(first: Explanation, second: Explanation) -> float | None:
    """Pearson's correlation of two maps after the ReLU; None where one is even."""
    pair = torch.stack([first.raw.relu().flatten(), second.raw.relu().flatten()])
    value = float(torch.corrcoef(pair)[0, 1])
    return None if value != value else value


def compared(model: LoadedModel, pixels: np.ndarray) -> dict[str, float | None]:
    """How near both maps of an image are, and how near they were estimated to be."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.png"
        Image.fromarray(pixels).save(path)
        scan = model.read(path)
        exact, fast = cl.explain(model, scan, "top1", ["scorecam", "scorecam:fast"])
    notes = [note for note in fast.scan.warnings if note.code == "caution.predicted_scores"]
    values = dict(notes[0].values) if notes else {"correlation": 1.0}
    return {"correlation": correlation(exact, fast), "estimated": values["correlation"]}


def main() -> None:
    """Measure what is missing, and write after each image."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", nargs="*", type=Path, default=[], help="folders of PNG films")
    parser.add_argument("--again", action="store_true", help="also what is measured already")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    root = Path(phantom.__file__).parent
    of_films = [(Path(name).name, root / f"{name}.toml", crops) for name in CLASSIFIERS]
    jobs = [*of_films, ("efficientnet_lite0", LITE0, lambda folders: photographs())]
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    for name, card, images in jobs:
        model = cl.load_model(card, device="cpu")
        of_model = results.setdefault(name, {})
        for image, pixels in images(options.films):
            if image not in of_model or options.again:
                of_model[image] = compared(model, pixels)
                print(name, image, of_model[image], flush=True)
                RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
