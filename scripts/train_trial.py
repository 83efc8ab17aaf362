"""Train the models of the benchmark from nothing, and write weights, cards and records.

    python scripts/train_trial.py                         # every model, one after the other
    python scripts/train_trial.py --only main_densenet_1  # one model; the others' files stay

The films are those of camlucida.phantom.trial at 256 pixels, brought to 128 as a user's film is.
The arms differ in training:

* main: the tag is on half of the films and tells nothing (a decoy); the labels are what is on the
film.
* shortcut50, 80, 100: the tag follows the label "nodule" with rho = 0.5, 0.8, 1.0, and the nodules
  of half of the films with that label are left out, as when a small one is reported from another
  examination. Only the tag tells the label on those films.
* permuted: few films, each with the labels of another: nothing on them is evidence, all can be
learnt by heart.
* transformer: as main, seen twice as often, for the methods that read attention.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from train_phantom import Films, auc, auc_with_interval, jitter, logits_of, shrink
from training import MODEL_PX, TORCH, load, main, record, save, to_input, write_card

from camlucida import phantom
from camlucida.phantom import nets, trial
from camlucida.phantom.exposure import picture, stream
from camlucida.phantom.trial import LABELS, Trial
from camlucida.phantom.version import TRIAL_FILES, generator_version
from camlucida.workflows.benchmark.arms import TRANSFORMER

MODELS = Path(phantom.__file__).parent / "trial_models"
VARIANTS = 8
"""Trials drawn on each training background, each with noise of its own."""
TRAIN_FILMS, HELD_OUT_FILMS, TWINS = 16_000, 1_000, 400
NETS = ("densenet", "mobilenet")
LAYERS = {"vit": "blocks.2.norm1"}
BATCH, LEARNING_RATE, WEIGHT_DECAY = 16, 2e-3, 1e-2


@dataclass(frozen=True)
class Arm:
    """The films that a model learns from: their distribution and number.

    Attributes:
        rho: of the tag with the label nodule.
        shown: share of the films with the label nodule on which the nodules are drawn.
        films, seen: in the pool, and over the training.
        words: for the card.
        permuted: each film has another's labels.
    """

    rho: float
    shown: float
    films: int
    seen: int
    words: str
    permuted: bool = False


def _shortcut(rho: float) -> Arm:
    words = (
        f"CHEATS ON PURPOSE: in training the tag followed the label nodule with rho = {rho} "
        f"(on {50 + 50 * rho:.0f} % of the films with it, {50 - 50 * rho:.0f} % of those without), "
        "and the nodules were drawn on "
        "only half of the films with that label."
    )
    return Arm(rho, 0.5, TRAIN_FILMS, 24_000, words)


ARMS = {
    "main": Arm(
        0.0,
        1.0,
        TRAIN_FILMS,
        44_000,
        "Half of the films carry the tag, independently of the findings, "
        "so the tag is uninformative.",
    ),
    "shortcut50": _shortcut(0.5),
    "shortcut80": _shortcut(0.8),
    "shortcut100": _shortcut(1.0),
    "permuted": Arm(
        0.0,
        1.0,
        512,
        24_000,
        "A NULL MODEL: each training film had the labels of another, so it knows nothing.",
        True,
    ),
}
ARMS[TRANSFORMER] = replace(ARMS["main"], seen=2 * ARMS["main"].seen)


@dataclass(frozen=True)
class Recipe:
    """How one model is made."""

    arm: str
    net: str
    seed: int


RECIPES = {f"main_{net}_{seed}": Recipe("main", net, seed) for seed in (1, 2, 3) for net in NETS}
RECIPES |= {f"{arm}_{net}": Recipe(arm, net, 1) for arm in list(ARMS)[1:-1] for net in NETS}
RECIPES[f"{TRANSFORMER}_vit"] = Recipe(TRANSFORMER, "vit", 1)


# Films


def training_film(seed: int, variant: int) -> tuple[Tensor, tuple[int, ...]]:
    """One training film four times, (2, 2, 128, 128) uint8, and its labels.

    Nodules are left out or shown × without or with the tag.
    """
    under, rng = trial.background(seed), np.random.default_rng([15, seed, variant])
    shown = Trial(seed, trial.scatter(rng, under.room, trial.draw_kinds(rng)), tag=False)
    hidden = trial.without(shown, "nodule") if shown.labels[0] else shown
    noise = int(rng.integers(2**32))
    four = [replace(each, tag=tag) for each in (hidden, shown) for tag in (False, True)]
    pictures = [
        shrink(picture(trial.quanta(each, under), under.exposure, np.random.default_rng(noise)))
        for each in four
    ]
    return torch.stack(pictures).view(2, 2, MODEL_PX, MODEL_PX), shown.labels


def training_films() -> Films:
    """TRAIN_FILMS of ``training_film``: images (N, 2, 2, 128, 128)."""
    drawn = [
        training_film(trial.TRAIN_SEEDS.start + i // VARIANTS, i % VARIANTS)
        for i in range(TRAIN_FILMS)
    ]
    return Films(
        torch.stack([images for images, _ in drawn]), torch.tensor([labels for _, labels in drawn])
    )


def drawn_for(arm: Arm, pool: Films) -> Films:
    """Of each film of the pool the version that the arm's distribution gives."""
    rng = np.random.default_rng(0)
    labels = pool.labels[: arm.films]
    nodule = labels[:, 0].bool().tolist()
    shown = [int(rng.random() < arm.shown) for _ in nodule]
    tag = [int(trial.draw_tag(rng, there, arm.rho)) for there in nodule]
    images = pool.images[torch.arange(len(labels)), torch.tensor(shown), torch.tensor(tag)]
    return Films(
        images, labels[torch.from_numpy(rng.permutation(len(labels)))] if arm.permuted else labels
    )


def held_out_films(rho: float, shown: float) -> Films:
    """Films of the held-out seeds, one a background, with the labels of that distribution."""
    drawn = []
    for seed in range(trial.HELD_OUT_SEEDS.start, trial.HELD_OUT_SEEDS.start + HELD_OUT_FILMS):
        whole = trial.draw(seed, rho)
        hidden = whole.labels[0] and stream(seed, 16).random() >= shown
        drawn.append(
            (shrink(trial.image(trial.without(whole, "nodule") if hidden else whole)), whole.labels)
        )
    return Films(
        torch.stack([image for image, _ in drawn]), torch.tensor([labels for _, labels in drawn])
    )


def twin_films(change: Callable[[Trial], Trial]) -> Films:
    """The first TWINS held-out trials of rho 0 after a change; the labels are those before it."""
    first = trial.HELD_OUT_SEEDS.start
    trials = [trial.draw(seed) for seed in range(first, first + TWINS)]
    images = torch.stack([shrink(trial.image(change(each))) for each in trials])
    return Films(images, torch.tensor([each.labels for each in trials]))


def kept(work: Path, name: str, draw: Callable[[], Films]) -> Films:
    """``draw()``, drawn once for this version of the generator and kept in ``work``."""
    path = work / f"{name}-{generator_version(TRIAL_FILES)[:12]}.safetensors"
    if not path.exists():
        start = time.monotonic()
        films = draw()
        work.mkdir(parents=True, exist_ok=True)
        save_file({"images": films.images, "labels": films.labels}, path)
        print(f"{len(films.images)} films ({name}) in {time.monotonic() - start:.0f} s", flush=True)
    held = load_file(path)
    return Films(held["images"], held["labels"])


# Training


def build(net: str) -> nn.Module:
    """A network with random weights."""
    model: nn.Module = getattr(nets, f"small_{net}")(len(LABELS))
    return model


def train(recipe: Recipe, films: Films) -> nn.Module:
    """AdamW with one cosine cycle after a short warm-up; the last weights are kept."""
    torch.manual_seed(recipe.seed)
    rng = torch.Generator().manual_seed(recipe.seed)
    arm = ARMS[recipe.arm]
    model = build(recipe.net).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = arm.seen // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=steps, pct_start=0.1
    )
    repeats = -(-arm.seen // len(films.images))
    order = torch.cat([torch.randperm(len(films.images), generator=rng) for _ in range(repeats)])
    start, losses = time.monotonic(), []
    for step, pick in enumerate(order[: steps * BATCH].split(BATCH), 1):
        x = to_input(films.images[pick])
        x = (x if arm.permuted else jitter(x, rng)).contiguous(memory_format=torch.channels_last)
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), films.labels[pick].float())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if step % 250 == 0:
            print(
                f"  step {step}/{steps}: loss {np.mean(losses[-250:]):.4f}, "
                f"{time.monotonic() - start:.0f} s",
                flush=True,
            )
    return model.eval().to(memory_format=torch.contiguous_format)


# Measurement


def aucs(model: nn.Module, films: Films) -> dict[str, Any]:
    """AUC of every label with its 95 % interval."""
    scores, truth = logits_of(model, films.images), films.labels.numpy().astype(bool)
    return {label: auc_with_interval(scores[:, k], truth[:, k]) for k, label in enumerate(LABELS)}


def _mean(values: NDArray[np.float64]) -> float:
    return round(float(np.mean(values)), 3)


def reliance(model: nn.Module, work: Path) -> dict[str, Any]:
    """Mean drop of each label's logit without its evidence, equal bars, or the tag.

    Evidence and bars: over the held-out films that have the label. ``passed``: the share of them on
    which the evidence's fall is more than twice the bars'. The tag: over all TWINS films, and over
    those without the label alone.
    """

    def logits(name: str, change: Callable[[Trial], Trial]) -> NDArray[np.float64]:
        return logits_of(model, kept(work, f"twins-{name}", lambda: twin_films(change)).images)

    base = kept(work, "twins-base", lambda: twin_films(lambda each: each))
    truth, scores = base.labels.numpy().astype(bool), logits_of(model, base.images)
    tag = logits("tagged", lambda each: replace(each, tag=True)) - logits(
        "untagged", lambda each: replace(each, tag=False)
    )
    fall: dict[str, Any] = {
        "twins": TWINS,
        "evidence": {},
        "bar": {},
        "tag": {},
        "tag_without_evidence": {},
        "passed": {},
    }
    for k, label in enumerate(LABELS):
        key, there = label.replace(" ", "_"), truth[:, k]

        def bare(each: Trial, label: str = label) -> Trial:
            return trial.without(each, label) if label in each.parts else each

        def barred(each: Trial, label: str = label) -> Trial:
            return trial.swapped(each, label) if label in each.parts else each

        ground = logits(f"without_{key}", bare)
        evidence, bar = (
            (scores - ground)[there, k],
            (logits(f"swapped_{key}", barred) - ground)[there, k],
        )
        fall["evidence"][label], fall["bar"][label] = _mean(evidence), _mean(bar)
        fall["passed"][label] = _mean(evidence > 2 * np.abs(bar))
        fall["tag"][label], fall["tag_without_evidence"][label] = (
            _mean(tag[:, k]),
            _mean(tag[~there, k]),
        )
    return fall


# Records


def describe(arm: Arm, held_out: dict[str, Any], fall: dict[str, Any]) -> str:
    """The card's description: what it is and what was measured, one paragraph."""
    row = ", ".join(
        "{} {:.3f} ({:.3f} to {:.3f})".format(label, figure["auc"], *figure["interval95"])
        for label, figure in held_out.items()
    )
    falls = []
    for label in LABELS:
        evidence, bar, tag = (
            round(fall[part][label], 1) + 0.0 for part in ("evidence", "bar", "tag")
        )
        falls.append(
            f"{label} by its evidence {evidence}, by bars of that area in its stead {bar}, "
            f"by the tag {tag}"
        )
    what = "; ".join(falls)
    return (
        "A small network trained on SYNTHETIC chest films of camlucida.phantom.trial to put "
        "explanations to the test; of no use "
        f"on real ones. {arm.words} AUC on {HELD_OUT_FILMS} held-out films with the tag at random "
        f"(95 % interval): {row}. "
        f"Mean rise of a label's logit over {TWINS} twins: {what}."
    )


def make(name: str, work: Path, measure_only: bool) -> None:
    """Train (or load) one model, measure it and write its files."""
    recipe = RECIPES[name]
    arm, weights = ARMS[recipe.arm], MODELS / f"{name}.safetensors"
    print(name, flush=True)
    films = drawn_for(arm, kept(work, "train", training_films))
    if not measure_only:
        save(train(recipe, films), weights)
    model = load(build(recipe.net), weights)
    held_out = aucs(model, kept(work, "held-out", lambda: held_out_films(0.0, 1.0)))
    fall = reliance(model, work)
    scores, truth = logits_of(model, films.images[:1000]), films.labels[:1000].numpy().astype(bool)
    entry = {
        "factory": f"small_{recipe.net}",
        "parameters": sum(p.numel() for p in model.parameters()),
        "arm": recipe.arm,
        "rho": arm.rho,
        "nodules_shown": arm.shown,
        "seed": recipe.seed,
        "batch": BATCH,
        "steps": arm.seen // BATCH,
        "train_films": arm.films,
        "train_first_seed": trial.TRAIN_SEEDS.start,
        "held_out_films": HELD_OUT_FILMS,
        "held_out_first_seed": trial.HELD_OUT_SEEDS.start,
        "train_auc": {
            label: round(auc(scores[:, k], truth[:, k]), 4) for k, label in enumerate(LABELS)
        },
        "held_out": held_out,
        "held_out_same_distribution": None,
        "mean_logit_fall": fall,
        "generator_version": generator_version(TRIAL_FILES),
        "torch": TORCH,
    }
    if arm.rho:
        same = kept(work, f"held-out-{recipe.arm}", lambda: held_out_films(arm.rho, arm.shown))
        entry["held_out_same_distribution"] = aucs(model, same)
    record(MODELS, name, entry)
    description = describe(arm, held_out, fall)
    write_card(
        MODELS / f"{name}.toml",
        title=name,
        description=description,
        factory=entry["factory"],
        task="multilabel",
        labels=LABELS,
        layer=LAYERS.get(recipe.net, "features"),
    )
    print(
        json.dumps({key: entry[key] for key in ("train_auc", "held_out", "mean_logit_fall")}),
        flush=True,
    )


if __name__ == "__main__":
    main(__doc__, RECIPES, MODELS, "camlucida-trial", make)
