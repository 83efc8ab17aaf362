"""Train the models of the bundled regression and segmentation cohorts from nothing.

    python scripts/train_cohorts.py                  # both, one after the other
    python scripts/train_cohorts.py --only fluid_unet

Both learn from the same SYNTHETIC films (``phantom.cohorts.distribution``), drawn at 256 pixels and
brought to 128 as a user's film is. The last weights are kept; nothing is selected on the held-out
films. What is packaged, and hence measured, is rounded to float16.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from training import MODEL_PX, TORCH, interval95, load, main, record, save, to_input, write_card

from camlucida import phantom
from camlucida.phantom import nets
from camlucida.phantom.cohorts import distribution
from camlucida.phantom.version import COHORT_FILES, generator_version
from camlucida.phantom.visit import cardiothoracic_ratio, expose

MODELS = Path(phantom.__file__).parent / "cohort_models"
FILM_PX = 256
TRAIN_FILMS, HELD_OUT_FILMS = 6_000, 600
BATCH, LEARNING_RATE, WEIGHT_DECAY = 32, 2e-3, 1e-2
CENTRE, SPREAD = 53.0, 7.0
"""The regression learns (ratio in percent − CENTRE) / SPREAD; both then go into its last layer,
which gives percent."""
REPLICATES = 1000


@dataclass(frozen=True)
class Films:
    """Inputs and truth.

    Attributes:
        images: (N, 128, 128) uint8.
        ratios: (N,) float32: cardiothoracic ratio in percent.
        fluid: (N, 128, 128) uint8 of 0 and 1: pixels of which an effusion changes at least half.
    """

    images: Tensor
    ratios: Tensor
    fluid: Tensor


@dataclass(frozen=True)
class Recipe:
    """How one model is made."""

    factory: str
    task: str
    label: str
    seed: int
    steps: int
    words: str
    layer: str


RECIPES = {
    "heart_regressor": Recipe(
        "small_regressor",
        "regression",
        "cardiothoracic ratio",
        5,
        3750,
        "Gives the cardiothoracic ratio in percent: largest width of the heart over the largest "
        "inner width of the rib cage.",
        "backbone.layer4",
    ),
    "fluid_unet": Recipe(
        "small_unet",
        "segmentation",
        "effusion",
        6,
        600,
        "Outlines a pleural effusion: every pixel that the fluid changes by more than one grey "
        "level of 255.",
        "encoder_last",
    ),
}


# Films


def shrink(image: NDArray[Any]) -> Tensor:
    """(256, 256) → (128, 128) float32, as a model card with ``resize = "antialias"`` does."""
    x = torch.from_numpy(image.astype(np.float32))[None, None]
    return nn.functional.interpolate(
        x, size=(MODEL_PX, MODEL_PX), mode="bilinear", antialias=True, align_corners=False
    )[0, 0]


def draw_films(seeds: range) -> Films:
    """The first film of each patient."""
    images, ratios, fluid = [], [], []
    for seed in seeds:
        visit = distribution.heart_visit(seed)
        film = expose(visit, FILM_PX)
        images.append(shrink(film.image).round().clamp(0, 255).to(torch.uint8))
        ratios.append(100 * cardiothoracic_ratio(visit))
        mask = film.masks.get("effusion", np.zeros((FILM_PX, FILM_PX), bool))
        fluid.append(
            (
                torch.from_numpy(mask).float().reshape(MODEL_PX, 2, MODEL_PX, 2).mean((1, 3)) >= 0.5
            ).to(torch.uint8)
        )
    return Films(torch.stack(images), torch.tensor(ratios), torch.stack(fluid))


def kept_films(work: Path, seeds: range) -> Films:
    """``draw_films``, drawn once for this version of the generator and kept in ``work``."""
    path = work / f"{seeds.start}-{len(seeds)}-{generator_version(COHORT_FILES)[:12]}.safetensors"
    if not path.exists():
        start, films = time.monotonic(), draw_films(seeds)
        work.mkdir(parents=True, exist_ok=True)
        save_file({"images": films.images, "ratios": films.ratios, "fluid": films.fluid}, path)
        print(f"{len(seeds)} films in {time.monotonic() - start:.0f} s", flush=True)
    held = load_file(path)
    return Films(held["images"], held["ratios"], held["fluid"])


# Training


def jitter(x: Tensor, fluid: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Inputs and masks shifted by up to 3 pixels; contrast and brightness of the inputs changed."""
    shift = tuple(torch.randint(-3, 4, (2,), generator=rng).tolist())
    gain = 1 + 0.1 * (2 * torch.rand(len(x), 1, 1, 1, generator=rng) - 1)
    offset = 0.1 * (2 * torch.rand(len(x), 1, 1, 1, generator=rng) - 1)
    return (torch.roll(x, shift, (2, 3)) * gain + offset).clamp(-1, 1), torch.roll(
        fluid, shift, (1, 2)
    )


def value_loss(output: Tensor, ratios: Tensor, fluid: Tensor) -> Tensor:
    """Huber's, of the standardised ratio."""
    return nn.functional.smooth_l1_loss(output[:, 0], (ratios - CENTRE) / SPREAD, beta=0.1)


def mask_loss(output: Tensor, ratios: Tensor, fluid: Tensor) -> Tensor:
    """Cross-entropy a pixel, and 1 − soft Dice of the batch."""
    logits, truth = output[:, 0], fluid.float()
    shares = torch.sigmoid(logits)
    dice = (2 * (shares * truth).sum() + 1) / (shares.sum() + truth.sum() + 1)
    return nn.functional.binary_cross_entropy_with_logits(logits, truth) + 1 - dice


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "regression": value_loss,
    "segmentation": mask_loss,
}


def train(recipe: Recipe, films: Films) -> nn.Module:
    """AdamW with one cosine cycle after a short warm-up; the last weights are kept."""
    torch.manual_seed(recipe.seed)
    rng = torch.Generator().manual_seed(recipe.seed)
    model = build(recipe).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=recipe.steps, pct_start=0.1
    )
    repeats = -(-recipe.steps * BATCH // len(films.images))
    order = torch.cat([torch.randperm(len(films.images), generator=rng) for _ in range(repeats)])
    start, losses = time.monotonic(), []
    for step, pick in enumerate(order[: recipe.steps * BATCH].split(BATCH), 1):
        x, fluid = jitter(to_input(films.images[pick]), films.fluid[pick], rng)
        output = model(x.contiguous(memory_format=torch.channels_last))
        loss = LOSSES[recipe.task](output, films.ratios[pick], fluid)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if step % 100 == 0:
            print(
                f"  step {step}/{recipe.steps}: loss {np.mean(losses[-100:]):.4f}, "
                f"{time.monotonic() - start:.0f} s",
                flush=True,
            )
    if isinstance(model, nets.Regressor):
        with torch.no_grad():
            model.head.weight.mul_(SPREAD)
            model.head.bias.mul_(SPREAD).add_(CENTRE)
    return model.eval().to(memory_format=torch.contiguous_format)


def build(recipe: Recipe) -> nn.Module:
    """The network with random weights."""
    model: nn.Module = getattr(nets, recipe.factory)(1)
    return model


# Measurement


@torch.inference_mode()
def outputs(model: nn.Module, images: Tensor) -> NDArray[np.float64]:
    """What the model says of each image, float64."""
    return torch.cat([model(to_input(part)) for part in images.split(100)]).double().numpy()


def with_interval(figure: Callable[[NDArray[np.int64]], float], count: int) -> dict[str, Any]:
    """A figure of all films and its 95 % percentile interval; ``figure`` takes indices of films."""
    picks = np.random.default_rng(0).integers(count, size=(REPLICATES, count))
    return {
        "estimate": round(figure(np.arange(count)), 4),
        "interval95": interval95([figure(pick) for pick in picks]),
    }


def measure_values(model: nn.Module, films: Films) -> dict[str, Any]:
    """Mean absolute error in percent, and R²."""
    values, truth = outputs(model, films.images)[:, 0], films.ratios.double().numpy()
    error = values - truth
    chance = float(np.abs(truth - np.median(truth)).mean())

    def r2(pick: NDArray[np.int64]) -> float:
        return float(1 - (error[pick] ** 2).sum() / ((truth[pick] - truth[pick].mean()) ** 2).sum())

    return {
        "mae": {
            **with_interval(lambda pick: float(np.abs(error[pick]).mean()), len(truth)),
            "chance": round(chance, 4),
        },
        "r2": with_interval(r2, len(truth)),
        "largest_error": round(float(np.abs(error).max()), 4),
    }


def measure_masks(model: nn.Module, films: Films) -> dict[str, Any]:
    """Mean Dice over films with fluid, and share of films without fluid where none is outlined."""
    predicted = outputs(model, films.images)[:, 0] > 0
    truth = films.fluid.numpy().astype(bool)
    both, total, there = (
        (predicted & truth).sum((1, 2)),
        predicted.sum((1, 2)) + truth.sum((1, 2)),
        truth.any((1, 2)),
    )
    dice, clean = 2 * both[there] / total[there], ~predicted[~there].any((1, 2))
    return {
        "dice": {
            **with_interval(lambda pick: float(dice[pick].mean()), len(dice)),
            "films": len(dice),
        },
        "nothing_where_nothing_is": {
            **with_interval(lambda pick: float(clean[pick].mean()), len(clean)),
            "films": len(clean),
        },
        "smallest_dice": round(float(dice.min()), 4),
    }


MEASURES = {"regression": measure_values, "segmentation": measure_masks}


# Records


def describe(recipe: Recipe, held_out: dict[str, Any]) -> str:
    """The card's description: what it is and what was measured, one paragraph."""

    def worded(name: str) -> str:
        return "{:.3f} ({:.3f} to {:.3f})".format(
            held_out[name]["estimate"], *held_out[name]["interval95"]
        )

    if recipe.task == "regression":
        figures = f"mean absolute error {worded('mae')} percentage points, R² {worded('r2')}"
    else:
        figures = (
            f"mean Dice {worded('dice')}; nothing outlined on "
            f"{worded('nothing_where_nothing_is')} of those without fluid"
        )
    return (
        f"A small network trained on {TRAIN_FILMS} SYNTHETIC chest films of camlucida.phantom; of "
        "no use on real ones. "
        f"{recipe.words} On {HELD_OUT_FILMS} held-out films of the same kind (95 % interval): "
        f"{figures}."
    )


def make(name: str, work: Path, measure_only: bool) -> None:
    """Train (or load) one model, measure it and write its files."""
    recipe, weights = RECIPES[name], MODELS / f"{name}.safetensors"
    print(name, flush=True)
    if not measure_only:
        save(train(recipe, kept_films(work, distribution.TRAIN_SEEDS[:TRAIN_FILMS])), weights)
    model = load(build(recipe), weights)
    held_out = MEASURES[recipe.task](
        model, kept_films(work, distribution.HELD_OUT_SEEDS[:HELD_OUT_FILMS])
    )
    entry = {
        "factory": recipe.factory,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seed": recipe.seed,
        "batch": BATCH,
        "steps": recipe.steps,
        "train_films": TRAIN_FILMS,
        "train_first_seed": distribution.TRAIN_SEEDS.start,
        "held_out_films": HELD_OUT_FILMS,
        "held_out_first_seed": distribution.HELD_OUT_SEEDS.start,
        "held_out": held_out,
        "generator_version": generator_version(COHORT_FILES),
        "torch": TORCH,
    }
    record(MODELS, name, entry)
    about = {
        "title": name,
        "description": describe(recipe, held_out),
        "factory": recipe.factory,
        "task": recipe.task,
    }
    write_card(MODELS / f"{name}.toml", **about, labels=[recipe.label], layer=recipe.layer)
    print(json.dumps(held_out), flush=True)


if __name__ == "__main__":
    main(__doc__, RECIPES, MODELS, "camlucida-cohorts", make)
