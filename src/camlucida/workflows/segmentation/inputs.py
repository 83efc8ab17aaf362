"""What a segmentation project hands over: a checkpoint, a folder of images and perhaps masks; as a model card and a cohort."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from camlucida.attribution.capture import capture
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import LayerError, UsageError, did_you_mean
from camlucida.core.files import write_toml
from camlucida.datasets.cohort import mask_beside
from camlucida.io import expand_paths
from camlucida.models import Card, LoadedModel
from camlucida.models.assumptions import RecognisedCard
from camlucida.models.checkpoint import load_state
from camlucida.models.families.unet import restates
from camlucida.models.layers import list_layers
from camlucida.models.recognise import find_checkpoint, recognise
from camlucida.models.segmenters import segmenter_card
from camlucida.models.state import frozen, unwrap

SIZE = 640
"""Pixels a side that the model takes, where neither a card nor the user says."""

ENCODER = "efficientnet-b5"
"""Of an architecture that the user named without its encoder."""

IMAGE_FOLDERS = ("test/images", "test", "images", "")
"""Where the images of a data folder are looked for, in order; letter case aside."""

MASK_FOLDERS = ("masks", "mask")
"""What folders of masks are called, letter case aside; no image is taken from one."""

TARGETS = {"predicted": "region", "true": "truth", "component": "component:1"}
"""Words for the target → those of :func:`camlucida.attribution.targets.parse_target`; whatever is not here is one already."""


@dataclass(frozen=True)
class Images:
    """The images to explain.

    Attributes:
        paths: sorted.
        masks: folder of their masks; None to look for ``/Images/`` → ``/Masks/``.
        rule: how they were chosen, one sentence.
    """

    paths: tuple[Path, ...]
    masks: Path | None
    rule: str


@dataclass(frozen=True)
class Layer:
    """A layer to explain.

    Attributes:
        name: as the user wrote it.
        path: resolved, as explanations have it.
        shape: channels and grid, of one image.
        behind: whether it lies behind the encoder, in decoder or head, whose maps restate the segmentation.
    """

    name: str
    path: str
    shape: tuple[int, ...]

    @property
    def behind(self) -> bool:
        return restates(self.path)


def method_name(words: str) -> str:
    """The registry's name of a method in one of its spellings: gradcam++, Grad-CAM, GradCAMPlusPlus, score-cam.

    Raises:
        UsageError: no such method.
    """
    plain = (
        words.strip()
        .casefold()
        .replace("plusplus", "++")
        .replace("-", "")
        .replace("_", "")
        .replace(" ", "")
    )
    folded = {name.replace("_", ""): name for name in METHODS}
    known = folded | {
        f"{short.removesuffix('pp')}++": name
        for short, name in folded.items()
        if short.endswith("pp")
    }
    if plain not in known:
        raise UsageError(f"unknown method {words!r}", did_you_mean(words, METHODS))
    return known[plain]


def target_word(words: str) -> str:
    """A target as runs take it.

    Raises:
        UsageError: ``pixel`` without its place.
    """
    plain = words.strip()
    if plain.casefold() == "pixel":
        raise UsageError(
            "target 'pixel' needs its place",
            "write pixel:ROW,COLUMN, in pixels of the original image",
        )
    return TARGETS.get(plain.casefold(), plain)


def one_image(path: str | Path, masks: Path | None = None) -> Images:
    """A single image.

    Raises:
        UsageError: it is not there, or is a folder or pattern of several.
    """
    found, errors = expand_paths([path])
    if errors:
        raise UsageError(errors[0].what, errors[0].fix)
    if len(found) > 1:
        raise UsageError(
            f"{path} holds {len(found)} images", "give one of them, or the folder as --data-dir"
        )
    return Images(
        tuple(found), _given(masks) or _masks_of(found[0].parent), f"the image given, {path}"
    )


def sampled_images(
    data_dir: str | Path, masks: Path | None = None, count: int = 10, seed: int = 0
) -> Images:
    """``count`` images of a data folder, drawn without replacement; all of them if there are no more.

    Args:
        data_dir: holds images in the first of :data:`IMAGE_FOLDERS` that there is.
        masks: folder of masks of the same stem; else one of :data:`MASK_FOLDERS` in the folder of images, beside it or above.
        count: 1 or more.
        seed: of the draw.

    Raises:
        UsageError: no such folder, or no image in it.
    """
    data_dir = Path(data_dir).expanduser()
    if not data_dir.is_dir():
        raise UsageError(f"no folder {data_dir}", "give the folder that holds test/ or images/")
    places = (_images(data_dir, name) for name in IMAGE_FOLDERS)
    folder, paths = next((place for place in places if place[1]), (data_dir, []))
    if not paths:
        raise UsageError(
            f"no image in {data_dir}",
            f"looked in {', '.join(name or 'the folder itself' for name in IMAGE_FOLDERS)}",
        )
    if count >= len(paths):
        rule = f"all images of {folder}, {len(paths)} in number"
    else:
        rule = f"{count} of the {len(paths)} images of {folder}, drawn at random without replacement (Python's random, seed {seed})"
        paths = sorted(random.Random(seed).sample(paths, count))
    return Images(tuple(paths), _given(masks) or _masks_of(folder, data_dir), rule)


def _given(masks: Path | None) -> Path | None:
    if masks is not None and not masks.is_dir():
        raise UsageError(
            f"--mask-dir: no folder {masks}",
            "give the folder that holds a mask of the same stem for each image",
        )
    return masks


def _images(data_dir: Path, name: str) -> tuple[Path, list[Path]]:
    folder = data_dir
    for part in filter(None, name.split("/")):
        inside = {path.name.casefold(): path for path in sorted(folder.iterdir()) if path.is_dir()}
        if part not in inside:
            return folder, []
        folder = inside[part]
    found, _ = expand_paths([folder])
    return folder, sorted(path for path in found if not _below_masks(path.relative_to(folder)))


def _below_masks(path: Path) -> bool:
    return any(part.casefold() in MASK_FOLDERS for part in path.parts[:-1])


def _masks_of(folder: Path, top: Path | None = None) -> Path | None:
    """A folder of masks in or beside that of the images, or in ``top``; None where ``/Images/`` → ``/Masks/`` finds them."""
    beside = mask_beside(folder.absolute() / "x.png")
    if beside is not None and beside.parent.is_dir():
        return None
    for place in (folder, folder.absolute().parent, top or folder):
        found = [
            path
            for path in sorted(place.iterdir())
            if path.is_dir() and path.name.casefold() in MASK_FOLDERS
        ]
        if found:
            return found[0]
    return None


def segmentation_card(
    model_path: Path,
    *,
    model: str | None = None,
    architecture: str | None = None,
    encoder: str | None = None,
    image_size: int | None = None,
) -> RecognisedCard:
    """A card for a checkpoint: named, built from architecture and encoder, or recognised from keys and shapes.

    Args:
        model_path: the checkpoint, or a folder with ``best_model.pth``.
        model: a card or factory; wins over the rest.
        architecture: of segmentation-models-pytorch, such as UnetPlusPlus.
        encoder: its name there.
        image_size: pixels a side of the model's input; else the card's, else :data:`SIZE`.

    Raises:
        ModelError: not a checkpoint, or not recognised.
    """
    if model is not None:
        recognised = recognise(model_path, task="segmentation", model=model, size=image_size)
        recognised = recognised.update(name=recognised.card.name or Path(model).stem)
    elif architecture is not None:
        recognised = _built(find_checkpoint(model_path), architecture, encoder or ENCODER)
    else:
        recognised = recognise(model_path, task="segmentation", encoder=encoder)
    stated = model is not None or "size" in recognised.card.input.model_fields_set
    if image_size is not None or not stated:
        recognised = recognised.with_size(image_size or SIZE, given=image_size is not None)
    card = recognised.card
    return recognised.update(name=card.name or _network(card), labels=card.labels or _labels(card))


def _labels(card: Card) -> tuple[str, ...]:
    """Names of the output channels of a card that has none."""
    classes = card.args.get("classes")
    if not isinstance(classes, int):
        return ()
    if classes == 1:
        return ("foreground",)
    return tuple(f"class {number}" for number in range(classes))


def _network(card: Card) -> str:
    """ "Unet_resnet18": architecture and encoder."""
    architecture = card.factory.partition(":")[2]
    return f"{architecture}_{card.args.get('encoder_name', '')}".rstrip("_")


def _built(file: Path, architecture: str, encoder: str) -> RecognisedCard:
    state = load_state(file)
    heads = [tensor for key, tensor in state.items() if key.endswith("segmentation_head.0.weight")]
    convolutions = (w for key, w in state.items() if "encoder" in key and w.ndim == 4)
    first = next(convolutions, None)
    channels = int(first.shape[1]) if first is not None and first.shape[1] in (1, 3) else 3
    classes = int(heads[0].shape[0]) if heads else 1
    recognised = segmenter_card(architecture, encoder, channels, classes)
    return recognised.update(checkpoint=str(file))


def assumptions(card: Card) -> str:
    """What goes into the model, one sentence."""
    spec = card.input
    height, width = spec.height_width
    scale = (
        f"mean {spec.mean}, standard deviation {spec.std}"
        if spec.mean is not None
        else f"range {spec.range or (0, 1)}"
    )
    return f"{height} × {width} pixels ({spec.fit}), {spec.channels} channel{'s' * (spec.channels > 1)}, {scale}"


def layers_of(model: LoadedModel, names: Sequence[str]) -> list[Layer]:
    """Each layer as it fires on a grey image.

    Raises:
        LayerError: one that does not exist; the message lists those that do, with shapes.
    """
    spec, module = model.card.input, unwrap(model.module)
    weight = next(module.parameters())
    grey = torch.full(
        (1, spec.channels, *spec.height_width), 0.5, device=weight.device, dtype=weight.dtype
    )
    with frozen(module):
        try:
            forward = capture(module, (grey,), list(names), model.card.logits_from)
        except LayerError as error:
            found = [
                info for info in list_layers(module, grey) if info.grid and info.path.count(".") < 2
            ]
            shapes = [f"{info.path} {'×'.join(map(str, info.shape[1:]))}" for info in found]
            raise LayerError(
                error.what, f"layers with a grid (channels×rows×columns): {', '.join(shapes)}"
            ) from error
    return [
        Layer(name, str(layer.ref), tuple(layer.activations.shape[1:]))
        for name, layer in zip(names, forward.layers, strict=True)
    ]


def write_cohort(
    out: Path,
    card: Card,
    images: Images,
    targets: Sequence[str],
    methods: Sequence[str],
    layers: Sequence[str],
) -> Path:
    """``card.toml`` and ``cohort.toml`` in ``out``; the latter's path."""
    write_toml(out / "card.toml", card.model_dump(mode="json", exclude_defaults=True))
    cohort = {
        "name": "segmentation",
        "images": [str(path.absolute()) for path in images.paths],
        "masks": None if images.masks is None else str(images.masks.absolute()),
        "model": "card.toml",
        "explain": {"target": list(targets), "method": list(methods), "layer": list(layers)},
    }
    write_toml(out / "cohort.toml", cohort)
    return out / "cohort.toml"
