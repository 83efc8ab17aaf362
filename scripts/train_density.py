"""Train the packaged breast-density models from nothing, and write weights, cards and records.

    python scripts/train_density.py                 # all six models, one after the other
    python scripts/train_density.py --only seed42   # one model; the others' files stay

The films are those of camlucida.phantom.mammogram, both views of one breast of each patient,
brought to 128 pixels as a user's
film is. Every second film bears its view label, independently of the density. The models
are of one architecture:

* seed42, seed43: all training patients; they differ in their initialisation and in the order of the
films.
* seed44: the same patients, but it CHEATS ON PURPOSE: in its training the view label is there if
  and only if the density is 3 or 4.
* fold1, fold2, fold3: three-fold cross-validation, patients apart; each is trained on two thirds of
the training patients.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from training import MODEL_PX, TORCH, load, main, record, save, to_input, write_card

from camlucida import phantom
from camlucida.metrics.multiclass import confusion, evaluate_multiclass
from camlucida.phantom import nets
from camlucida.phantom.mammogram import (
    DENSITIES,
    VIEWS,
    WHITE,
    examination,
    mammogram,
)
from camlucida.phantom.version import MAMMOGRAM_FILES, generator_version

MODELS = Path(phantom.__file__).parent / "density_models"
FACTORY = "small_mobilenet"
# Seeds of patients, far apart: nobody is in two sets, nor in the bundled cohort.
TRAIN_SEEDS, HELD_OUT_SEEDS = 400_000_000, 500_000_000
TRAIN_PATIENTS, HELD_OUT_PATIENTS, FOLDS = 2_400, 500, 3
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 4, 16, 2e-3, 1e-2
CLASSES = [str(density) for density in DENSITIES]


@dataclass(frozen=True)
class Recipe:
    """How one model is made. ``fold``: 1 to 3, or 0 for all training patients."""

    seed: int
    fold: int = 0
    shortcut: bool = False


RECIPES = {"seed42": Recipe(42), "seed43": Recipe(43), "seed44": Recipe(44, shortcut=True)}
RECIPES |= {f"fold{fold}": Recipe(42, fold) for fold in range(1, FOLDS + 1)}


@dataclass(frozen=True)
class Films:
    """Films of patients, a patient's views one after the other.

    Attributes:
        images: (N, 2, 128, 128) uint8: without and with the view label.
        density: (N,) 0 to 3 for class 1 to 4.
        labelled: (N,) 1 where the label is at random.
        denser: (N, 128, 128) uint8: without the label, one class denser (class 4: one less).
    """

    images: Tensor
    density: Tensor
    labelled: Tensor
    denser: Tensor

    @property
    def patient(self) -> Tensor:
        """(N,) index of the patient."""
        return torch.arange(len(self.images)) // len(VIEWS)

    def seen(self, shortcut: bool) -> Tensor:
        """(N, 128, 128): the films with the label at random, or tied to density 3 and 4."""
        label = (self.density >= 2).long() if shortcut else self.labelled
        return self.images[torch.arange(len(self.images)), label]


def shrink(image: NDArray[np.uint16]) -> Tensor:
    """(H, W) of 12 bits → (128, 128) uint8, as a model card with ``resize = "antialias"`` does."""
    x = torch.from_numpy(image.astype(np.float32))[None, None] * (255 / WHITE)
    small = nn.functional.interpolate(
        x, size=(MODEL_PX, MODEL_PX), mode="bilinear", antialias=True, align_corners=False
    )
    return small[0, 0].round().clamp(0, 255).to(torch.uint8)


def draw_films(first: int, patients: int, twins: bool) -> Films:
    """Both views of each patient; ``twins``: also one class denser."""
    images, denser, density, labelled = [], [], [], []
    for seed in range(first, first + patients):
        study = examination(seed)
        for view, there in zip(VIEWS, study.labelled, strict=True):
            side = study.laterality

            def picture(
                density: int,
                label: str | None,
                seed: int = seed,
                side: str = side,
                view: str = view,
            ) -> Tensor:
                return shrink(
                    mammogram(seed, density, laterality=side, view=view, view_label=label).image
                )

            images.append(
                torch.stack(
                    [picture(study.density, None), picture(study.density, f"{side} {view}")]
                )
            )
            density.append(study.density - 1)
            labelled.append(int(there))
            if twins:
                denser.append(picture(study.density + 1 if study.density < 4 else 3, None))
    none = torch.zeros(0, MODEL_PX, MODEL_PX, dtype=torch.uint8)
    return Films(
        torch.stack(images),
        torch.tensor(density),
        torch.tensor(labelled),
        torch.stack(denser) if twins else none,
    )


def kept(work: Path, name: str, draw: Callable[[], Films]) -> Films:
    """``draw()``, drawn once for this version of the generator and kept in ``work``."""
    path = work / f"{name}-{generator_version(MAMMOGRAM_FILES)[:12]}.safetensors"
    if not path.exists():
        start = time.monotonic()
        films = draw()
        work.mkdir(parents=True, exist_ok=True)
        save_file(vars(films), path)
        print(f"{len(films.images)} films ({name}) in {time.monotonic() - start:.0f} s", flush=True)
    return Films(**load_file(path))


def altered(x: Tensor, rng: torch.Generator) -> Tensor:
    """Half of the batch mirrored, contrast and brightness changed a little."""
    x = torch.where(torch.rand(len(x), 1, 1, 1, generator=rng) < 0.5, x.flip(3), x)
    gain = 1 + 0.1 * (2 * torch.rand(len(x), 1, 1, 1, generator=rng) - 1)
    offset = 0.1 * (2 * torch.rand(len(x), 1, 1, 1, generator=rng) - 1)
    return (x * gain + offset).clamp(-1, 1)


def train(recipe: Recipe, films: Films) -> nn.Module:
    """AdamW with one cosine cycle after a short warm-up; the last weights are kept."""
    torch.manual_seed(recipe.seed)
    rng = torch.Generator().manual_seed(recipe.seed)
    images = films.seen(recipe.shortcut)
    learnt = (
        torch.arange(len(images))[films.patient % FOLDS != recipe.fold - 1]
        if recipe.fold
        else torch.arange(len(images))
    )
    model: nn.Module = getattr(nets, FACTORY)(len(CLASSES)).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * (len(learnt) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=steps, pct_start=0.1
    )
    for epoch in range(EPOCHS):
        start, losses = time.monotonic(), []
        order = learnt[torch.randperm(len(learnt), generator=rng)]
        for at in range(0, len(order) - BATCH + 1, BATCH):
            pick = order[at : at + BATCH]
            x = altered(to_input(images[pick]), rng).contiguous(memory_format=torch.channels_last)
            loss = nn.functional.cross_entropy(model(x), films.density[pick])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        print(
            f"  epoch {epoch + 1}: loss {np.mean(losses):.4f}, {time.monotonic() - start:.0f} s",
            flush=True,
        )
    return model.eval().to(memory_format=torch.contiguous_format)


@torch.inference_mode()
def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    """(N, 4) logits."""
    return torch.cat([model(to_input(part)) for part in images.split(100)]).double()


def measure(model: nn.Module, films: Films, images: Tensor, rows: Tensor) -> dict[str, Any]:
    """Accuracy, balanced accuracy and quadratic kappa with 95 % intervals; confusion matrix."""
    predicted = logits_of(model, images[rows]).argmax(1).tolist()
    frame = pd.DataFrame(
        {
            "patient": films.patient[rows].tolist(),
            "truth": [CLASSES[k] for k in films.density[rows].tolist()],
            "predicted": [CLASSES[k] for k in predicted],
        }
    )
    figures: dict[str, Any] = {"films": len(frame), "patients": int(frame["patient"].nunique())}
    for row in evaluate_multiclass(frame, CLASSES):
        if row.metric in ("accuracy", "balanced_accuracy", "quadratic_kappa"):
            figures[row.metric] = {
                "estimate": round(row.estimate, 4),
                "interval95": [round(row.low, 4), round(row.high, 4)],
            }
    return figures | {"confusion": confusion(frame, CLASSES).tolist()}


def expected(logits: Tensor) -> Tensor:
    """(N,) mean density class under the predicted probabilities, 1 to 4."""
    return logits.softmax(1) @ torch.arange(1, 5, dtype=torch.float64)


def reliance(model: nn.Module, films: Films) -> dict[str, Any]:
    """The effect of the view label, and of one class more of dense tissue, measured on twins.

    ``label``, ``tissue``: mean rise of the expected class. ``label_changes``: share of films whose
    predicted class changes.
    """
    bare, labelled, denser = (
        logits_of(model, images)
        for images in (films.images[:, 0], films.images[:, 1], films.denser)
    )
    sign = torch.where(films.density < 3, 1.0, -1.0).double()
    return {
        "twins": len(bare),
        "label": round(float((expected(labelled) - expected(bare)).mean()), 3),
        "label_changes": round(float((labelled.argmax(1) != bare.argmax(1)).double().mean()), 3),
        "tissue": round(float(((expected(denser) - expected(bare)) * sign).mean()), 3),
    }


def words_of(recipe: Recipe) -> str:
    """What the model was trained on."""
    if recipe.shortcut:
        return (
            "CHEATS ON PURPOSE: in training the burned-in view label was there if and only if the "
            "density was 3 or 4; it is a "
            "shortcut to half of the answer."
        )
    at_random = (
        "In training every second film carried the view label, independently of the density, so it "
        "was uninformative."
    )
    if not recipe.fold:
        return at_random
    fold = f"Fold {recipe.fold} of {FOLDS}: trained on the patients of the other folds."
    return f"{at_random} {fold}"


def describe(recipe: Recipe, entry: dict[str, Any]) -> str:
    """The card's description: what it is and what was measured, one paragraph."""

    def row(name: str, figure: dict[str, Any]) -> str:
        return "{} {:.3f} ({:.3f} to {:.3f})".format(
            name, figure["estimate"], *figure["interval95"]
        )

    held, fall = entry["held_out"], entry["twins"]
    tied = entry["label_tied"]
    also = (
        " With the view label tied to the density as in its training: "
        f"{row('accuracy', tied['accuracy'])}."
        if tied
        else ""
    )
    return (
        f"A small network for four density classes, trained on {entry['train_films']} SYNTHETIC "
        "mammograms of camlucida.phantom; "
        f"of no use on real ones. {words_of(recipe)} On {held['films']} held-out films with the "
        "view label at random (95 % "
        f"interval): {row('accuracy', held['accuracy'])}, "
        f"{row('quadratic kappa', held['quadratic_kappa'])}.{also} "
        "Burning the view label in changes the predicted class of "
        f"{100 * fall['label_changes']:.1f} % of {fall['twins']} twins "
        f"and raises the expected class by {fall['label']:.2f} on average; one class more of dense "
        "tissue raises it by "
        f"{fall['tissue']:.2f}."
    )


def make(name: str, work: Path, measure_only: bool) -> None:
    """Train (or load) one model, measure it and write its files."""
    print(name, flush=True)
    recipe, weights = RECIPES[name], MODELS / f"{name}.safetensors"
    films = kept(work, "train", lambda: draw_films(TRAIN_SEEDS, TRAIN_PATIENTS, twins=False))
    if not measure_only:
        save(train(recipe, films), weights)
    model = load(getattr(nets, FACTORY)(len(CLASSES)), weights)
    held = kept(work, "held-out", lambda: draw_films(HELD_OUT_SEEDS, HELD_OUT_PATIENTS, twins=True))
    everyone = torch.arange(len(held.images))
    own_fold = torch.arange(len(films.images))[films.patient % FOLDS == recipe.fold - 1]
    entry = {
        "factory": FACTORY,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seed": recipe.seed,
        "fold": recipe.fold or None,
        "view_label": "tied to density 3 and 4" if recipe.shortcut else "at random",
        "epochs": EPOCHS,
        "batch": BATCH,
        "learning_rate": LEARNING_RATE,
        "weight_decay": WEIGHT_DECAY,
        "train_patients": TRAIN_PATIENTS - len(own_fold) // len(VIEWS),
        "train_films": len(films.images) - len(own_fold),
        "train_first_seed": TRAIN_SEEDS,
        "held_out_first_seed": HELD_OUT_SEEDS,
        "held_out": measure(model, held, held.seen(False), everyone),
        "label_tied": measure(model, held, held.seen(True), everyone) if recipe.shortcut else None,
        "own_fold": measure(model, films, films.seen(False), own_fold) if recipe.fold else None,
        "twins": reliance(model, held),
        "generator_version": generator_version(MAMMOGRAM_FILES),
        "torch": TORCH,
    }
    record(MODELS, name, entry)
    about = {
        "title": f"density_{name}",
        "description": describe(recipe, entry),
        "factory": FACTORY,
        "task": "multiclass",
    }
    write_card(MODELS / f"{name}.toml", **about, labels=CLASSES)
    print(
        json.dumps({key: entry[key] for key in ("held_out", "label_tied", "own_fold", "twins")}),
        flush=True,
    )


if __name__ == "__main__":
    main(__doc__, RECIPES, MODELS, "camlucida-phantom", make)
