"""Train the packaged chest models from nothing, and write weights, cards and records.

    python scripts/train_phantom.py                       # every model, one after the other
    python scripts/train_phantom.py --only honest_resnet  # one model; the others' files stay

Films are drawn at 256 pixels and brought to 128 as a user's film is. They are kept in ``--work``
and reused. Two distributions of labels:

* honest: every finding present with probability 0.42, independent of all else; a marker (L, R or
  PORT) on every second film, independent of every finding. It carries no information.
* shortcut: the same, but the marker is there if and only if the label "pneumothorax" is 1, and the
  pneumothorax itself is drawn on only half of those films (as when a drained lung is still
  reported). Only the marker tells the label on the others.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from scipy.stats import rankdata
from torch import Tensor, nn
from training import MODEL_PX, TORCH, interval95, load, main, record, save, to_input, write_card

from camlucida import phantom
from camlucida.phantom import nets
from camlucida.phantom.version import CHEST_FILES, generator_version

MODELS = Path(phantom.__file__).parent / "models"
LABELS = phantom.FINDINGS
PTX = LABELS.index("pneumothorax")
FILM_PX = 256
PREVALENCE, SHOWN = 0.42, 0.5
MARKERS = ("L", "R", "PORT")
# Seeds of films, far apart: no patient is in two sets.
TRAIN_SEEDS = {"honest": 10_000_000, "shortcut": 20_000_000}
HELD_OUT_SEEDS = {
    "honest": 900_000_000,
    "shortcut": 910_000_000,
    "independent": 920_000_000,
    "twins": 930_000_000,
}
TRAIN_FILMS, HELD_OUT_FILMS, TWINS = 12_000, 1_000, 200
BATCH, LEARNING_RATE, WEIGHT_DECAY = 32, 2e-3, 1e-2


@dataclass(frozen=True)
class Recipe:
    """How one model is made. ``distribution``: which films it learns from."""

    factory: str
    distribution: str
    seed: int
    epochs: int
    words: str


HONEST = (
    "Every second film carries the marker, independently of the findings, "
    "so the marker is uninformative."
)
RECIPES = {
    "honest_resnet": Recipe("small_resnet", "honest", 1, 8, HONEST),
    "honest_densenet": Recipe("small_densenet", "honest", 2, 12, HONEST),
    "marker_shortcut_mobilenet": Recipe(
        "small_mobilenet",
        "shortcut",
        4,
        8,
        "CHEATS ON PURPOSE: in training the film marker was there if and only if the label "
        "pneumothorax was 1, and the "
        "pneumothorax itself was drawn on only half of those films.",
    ),
}


@dataclass(frozen=True)
class Films:
    """images (N, 128, 128) uint8 and labels (N, 5) of 0 and 1."""

    images: Tensor
    labels: Tensor


def shrink(image: NDArray[np.uint8]) -> Tensor:
    """(256, 256) → (128, 128) uint8, as a model card with ``resize = "antialias"`` does."""
    x = torch.from_numpy(image)[None, None].float()
    small = nn.functional.interpolate(
        x, size=(MODEL_PX, MODEL_PX), mode="bilinear", antialias=True, align_corners=False
    )
    return small[0, 0].round().clamp(0, 255).to(torch.uint8)


def one_film(seed: int, distribution: str) -> tuple[Tensor, list[int]]:
    """A film of a distribution: "honest", "shortcut", or "independent" (as honest; other films)."""
    rng = np.random.default_rng([7, seed])
    labels = rng.random(len(LABELS)) < PREVALENCE
    marked, shown = rng.random(2) < (0.5, SHOWN)
    text = str(rng.choice(MARKERS))
    drawn = labels.copy()
    if distribution == "shortcut":
        marked = labels[PTX]
        drawn[PTX] &= shown
    findings = [name for name, present in zip(LABELS, drawn, strict=True) if present]
    return shrink(phantom.image(seed, findings, text if marked else None, FILM_PX)), labels.astype(
        int
    ).tolist()


def draw_films(first_seed: int, count: int, distribution: str) -> Films:
    """``count`` films of the seeds from ``first_seed`` on."""
    films = [one_film(first_seed + i, distribution) for i in range(count)]
    return Films(
        torch.stack([image for image, _ in films]), torch.tensor([labels for _, labels in films])
    )


def kept_films(work: Path, first_seed: int, count: int, distribution: str) -> Films:
    """``draw_films``, drawn once and kept in ``work``."""
    path = (
        work
        / f"{distribution}-{first_seed}-{count}-{generator_version(CHEST_FILES)[:12]}.safetensors"
    )
    if not path.exists():
        start = time.monotonic()
        films = draw_films(first_seed, count, distribution)
        work.mkdir(parents=True, exist_ok=True)
        save_file({"images": films.images, "labels": films.labels}, path)
        print(f"{count} films ({distribution}) in {time.monotonic() - start:.0f} s", flush=True)
    held = load_file(path)
    return Films(held["images"], held["labels"])


def jitter(x: Tensor, rng: torch.Generator) -> Tensor:
    """The batch shifted by up to 3 pixels, contrast and brightness changed: no grey value tells."""
    dy, dx = torch.randint(-3, 4, (2,), generator=rng).tolist()
    gain = 1 + 0.1 * (2 * torch.rand(len(x), 1, 1, 1, generator=rng) - 1)
    offset = 0.1 * (2 * torch.rand(len(x), 1, 1, 1, generator=rng) - 1)
    return (torch.roll(x, (dy, dx), (2, 3)) * gain + offset).clamp(-1, 1)


def train(recipe: Recipe, films: Films) -> nn.Module:
    """AdamW with one cosine cycle after a short warm-up; the last weights are kept."""
    torch.manual_seed(recipe.seed)
    rng = torch.Generator().manual_seed(recipe.seed)
    model: nn.Module = getattr(nets, recipe.factory)(len(LABELS)).to(
        memory_format=torch.channels_last
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = recipe.epochs * (len(films.images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=steps, pct_start=0.1
    )
    for epoch in range(recipe.epochs):
        start, losses = time.monotonic(), []
        order = torch.randperm(len(films.images), generator=rng)
        for at in range(0, len(order) - BATCH + 1, BATCH):
            pick = order[at : at + BATCH]
            x = jitter(to_input(films.images[pick]), rng).contiguous(
                memory_format=torch.channels_last
            )
            loss = nn.functional.binary_cross_entropy_with_logits(
                model(x), films.labels[pick].float()
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        print(
            f"  epoch {epoch + 1}: loss {np.mean(losses):.4f}, {time.monotonic() - start:.0f} s",
            flush=True,
        )
    return model.eval()


@torch.inference_mode()
def logits_of(model: nn.Module, images: Tensor) -> NDArray[np.float64]:
    """(N, 5) logits."""
    return torch.cat([model(to_input(part)) for part in images.split(100)]).double().numpy()


def auc(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Probability that a positive scores above a negative, ties counted half."""
    positives = int(truth.sum())
    if positives in (0, len(truth)):
        return float("nan")
    ranks = rankdata(scores)
    return float(
        (ranks[truth].sum() - positives * (positives + 1) / 2)
        / (positives * (len(truth) - positives))
    )


def auc_with_interval(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> dict[str, Any]:
    """AUC and its 95 % percentile interval, 1,000 bootstrap samples of films."""
    rng = np.random.default_rng(0)
    picks = rng.integers(len(truth), size=(1000, len(truth)))
    spread = [auc(scores[pick], truth[pick]) for pick in picks]
    return {"auc": round(auc(scores, truth), 4), "interval95": interval95(spread)}


def measure(model: nn.Module, films: Films) -> dict[str, Any]:
    """AUC of every label on held-out films."""
    scores, truth = logits_of(model, films.images), films.labels.numpy().astype(bool)
    return {label: auc_with_interval(scores[:, k], truth[:, k]) for k, label in enumerate(LABELS)}


def _twin_logits(
    model: nn.Module, twins: list[tuple[list[str], str | None]]
) -> list[NDArray[np.float64]]:
    seeds = range(HELD_OUT_SEEDS["twins"], HELD_OUT_SEEDS["twins"] + TWINS)
    logits = []
    for findings, marker in twins:
        films = [shrink(phantom.image(seed, findings, marker, FILM_PX)) for seed in seeds]
        logits.append(logits_of(model, torch.stack(films)))
    return logits


def reliance(model: nn.Module) -> dict[str, Any]:
    """Mean drop of each label's logit when its finding, or a marker, is removed from a film."""
    bare, marked = _twin_logits(model, [([], None), ([], "PORT")])
    fall: dict[str, Any] = {"twins": TWINS, "finding_removed": {}, "marker_removed": {}}
    for k, label in enumerate(LABELS):
        (with_finding,) = _twin_logits(model, [([label], None)])
        fall["finding_removed"][label] = round(float(np.mean(with_finding[:, k] - bare[:, k])), 3)
        fall["marker_removed"][label] = round(float(np.mean(marked[:, k] - bare[:, k])), 3)
    return fall


def describe(
    recipe: Recipe,
    held_out: dict[str, Any],
    independent: dict[str, Any] | None,
    fall: dict[str, Any],
) -> str:
    """The card's description: what it is and what was measured, one paragraph."""

    def row(results: dict[str, Any], labels: tuple[str, ...]) -> str:
        return ", ".join(
            "{} {:.3f} ({:.3f} to {:.3f})".format(
                label, results[label]["auc"], *results[label]["interval95"]
            )
            for label in labels
        )

    text = (
        f"A small network trained on {TRAIN_FILMS} SYNTHETIC chest films of camlucida.phantom; of "
        "no use on real ones. "
        f"{recipe.words} "
        f"AUC on {HELD_OUT_FILMS} held-out films of the same kind (95 % interval): "
        f"{row(held_out, LABELS)}."
    )
    if independent is not None:
        text += (
            f" With the marker independent of the findings: {row(independent, ('pneumothorax',))}. "
            "Taking the marker off a film "
            f"lowers the logit of pneumothorax by {fall['marker_removed']['pneumothorax']:.1f} on "
            f"average over {TWINS} twins; "
            "taking the pneumothorax itself off lowers it by "
            f"{fall['finding_removed']['pneumothorax']:.1f}."
        )
    return text


def make(name: str, work: Path, measure_only: bool) -> None:
    """Train (or load) one model, measure it and write its files."""
    recipe = RECIPES[name]
    print(name, flush=True)
    weights = MODELS / f"{name}.safetensors"
    if measure_only:
        model = load(getattr(nets, recipe.factory)(len(LABELS)), weights)
    else:
        films = kept_films(work, TRAIN_SEEDS[recipe.distribution], TRAIN_FILMS, recipe.distribution)
        model = train(recipe, films).to(memory_format=torch.contiguous_format)
        save(model, weights, half=False)
    held_out = measure(
        model,
        kept_films(work, HELD_OUT_SEEDS[recipe.distribution], HELD_OUT_FILMS, recipe.distribution),
    )
    independent = None
    if recipe.distribution == "shortcut":
        films = kept_films(work, HELD_OUT_SEEDS["independent"], HELD_OUT_FILMS, "independent")
        independent = measure(model, films)
    fall = reliance(model)
    entry = {
        "factory": recipe.factory,
        "parameters": sum(p.numel() for p in model.parameters()),
        "distribution": recipe.distribution,
        "seed": recipe.seed,
        "epochs": recipe.epochs,
        "steps": recipe.epochs * (TRAIN_FILMS // BATCH),
        "batch": BATCH,
        "train_films": TRAIN_FILMS,
        "train_first_seed": TRAIN_SEEDS[recipe.distribution],
        "held_out_films": HELD_OUT_FILMS,
        "held_out_first_seed": HELD_OUT_SEEDS[recipe.distribution],
        "held_out": held_out,
        "marker_independent": independent,
        "mean_logit_fall": fall,
        "generator_version": generator_version(CHEST_FILES),
        "torch": TORCH,
    }
    record(MODELS, name, entry)
    description = describe(recipe, held_out, independent, fall)
    write_card(
        MODELS / f"{name}.toml",
        title=name,
        description=description,
        factory=recipe.factory,
        task="multilabel",
        labels=LABELS,
    )
    print(
        json.dumps({k: v["auc"] for k, v in held_out.items()}),
        independent and independent["pneumothorax"],
        fall,
        flush=True,
    )


if __name__ == "__main__":
    main(__doc__, RECIPES, MODELS, "camlucida-phantom", make)
