"""``config_classifiers.toml``: the classifiers of an ensemble, a table each, as in Ensemble-CAM."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.files import parse_toml, reading, slug, write_toml
from camlucida.models.card import Card
from camlucida.models.preprocessing.spec import InputSpec

ModelType = Literal["densenet", "resnet", "jfhealthcare", "card"]

USUAL = {
    "densenet": "densenet121-res224-all",
    "resnet": "resnet50-res512-all",
    "jfhealthcare": "jfhealthcare",
}
"""TorchXRayVision's name of the model that is taken where none is named."""

RESERVED = ("ensemble", "label", "image")
"""Keys that mean something else in the tables beside those of the classifiers."""

CHECKPOINTS = (".pth", ".pt", ".safetensors", ".ckpt", ".bin")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class ClassifierEntry(BaseModel):
    """One ``[classifiers.KEY]``. See ``docs/how-to/ensemble.md``."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model_type: ModelType
    name: str | None = None
    description: str = ""
    input_size: Annotated[int, Field(gt=0)] | None = None
    default_weight: (
        str
        | Annotated[float, Field(ge=0, strict=True)]
        | Annotated[int, Field(ge=0, strict=True)]
        | None
    ) = None
    """Text: which of ``weights``. A number: the classifier's weight in the ensemble."""
    weights: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    num_pathologies: int | None = None
    cam_method: str | None = None
    """Method of its maps; that of the ensemble where it has none."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    classifiers: Annotated[dict[str, ClassifierEntry], Field(min_length=1)]
    cam_method: str | None = None


@dataclass(frozen=True)
class Classifier:
    """A classifier of the file, ready to be loaded.

    Attributes:
        key: of its table.
        entry: the table.
        weight: in the ensemble, not normalised; 0: left out.
        factory: TorchXRayVision's model; "" for a card.
        file: the card, or a checkpoint of the factory's model; None where TorchXRayVision fetches
            its own weights.
    """

    key: str
    entry: ClassifierEntry
    weight: float
    factory: str
    file: Path | None

    @property
    def title(self) -> str:
        """For people."""
        return self.entry.name or self.key

    def card(self) -> Path | Card:
        """Its own card, or one of TorchXRayVision's model."""
        if not self.factory and self.file is not None:
            return self.file
        size = {} if self.entry.input_size is None else {"size": self.entry.input_size}
        return Card(
            name=self.title,
            description=self.entry.description,
            factory=f"torchxrayvision:{self.factory}",
            checkpoint=None if self.file is None else str(self.file),
            input=InputSpec.model_validate(size),
        )

    def write_card(self, folder: Path) -> Path:
        """Its own card's file, or one written to ``folder``."""
        card = self.card()
        if isinstance(card, Path):
            return card
        path = folder / f"{slug(self.key)}.toml"
        write_toml(path, card.model_dump(mode="json", exclude_unset=True, exclude_none=True))
        return path


def read_classifiers(
    path: str | Path, weights: Mapping[str, float] | None = None
) -> tuple[Classifier, ...]:
    """Read ``config_classifiers.toml``.

    Args:
        path: the file; paths in it are relative to it.
        weights: key → weight in the ensemble, in place of the file's; 0 leaves the classifier out.

    Raises:
        UsageError: missing, not TOML, an unknown key or model type, a value of another kind, or a
            weight for a key that is not there, or a key of :data:`RESERVED`.
    """
    path = Path(path).expanduser().absolute()
    content = _read(path)
    try:
        entries = _File.model_validate(content).classifiers
    except ValidationError as error:
        raise _one_line(error, content, path.name) from error
    if taken := [key for key in entries if key in RESERVED]:
        raise UsageError(
            f"{path.name}: a classifier cannot have the key {taken[0]!r}",
            'give another: its name = "…" may be that',
        )
    for key, weight in (weights or {}).items():
        if key not in entries:
            raise UsageError(
                f"a weight for {key!r}, which is no classifier of {path.name}",
                did_you_mean(key, entries),
            )
        if not 0 <= weight < float("inf"):
            raise UsageError(
                f"the weight of {key!r} is {weight:g}",
                "give a number above 0, or 0 to leave it out",
            )
    classifiers = tuple(
        _classifier(path, key, entry, (weights or {}).get(key)) for key, entry in entries.items()
    )
    if not any(classifier.weight for classifier in classifiers):
        raise UsageError(
            f"{path.name}: every classifier has weight 0", "give one of them a weight above 0"
        )
    return classifiers


def read_cam_method(path: str | Path) -> str | None:
    """The method that ``config_classifiers.toml`` states as ``cam_method``; None for none.

    At the top, or in the tables of the classifiers: maps are averaged, so all have one method.

    Args:
        path: the file, which :func:`read_classifiers` has read.

    Raises:
        UsageError: more than one method.
    """
    path = Path(path).expanduser().absolute()
    file = _File.model_validate(_read(path))
    named = [file.cam_method, *(entry.cam_method for entry in file.classifiers.values())]
    methods = sorted(set(filter(None, named)))
    if len(methods) > 1:
        raise UsageError(
            f"{path.name}: more than one cam_method: {', '.join(methods)}",
            "maps of one method are averaged: state one, or give --method",
        )
    return methods[0] if methods else None


def _read(path: Path) -> dict[str, Any]:
    with reading(path, UsageError, "the classifiers"):
        if not path.is_file():
            near = (
                sorted(file.name for file in path.parent.glob("*.toml"))
                if path.parent.is_dir()
                else []
            )
            raise UsageError(
                f"no file {path}",
                did_you_mean(path.name, near) if near else "give a config_classifiers.toml",
            )
        data = path.read_bytes()
    try:
        return parse_toml(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not a text file in UTF-8", "classifiers are described by a TOML file"
        ) from error
    except tomllib.TOMLDecodeError as error:
        twice = "twice" in str(error) or "overwrite" in str(error)
        fix = (
            "give each classifier, and each of its values, a key of its own"
            if twice
            else 'strings need quotes: name = "A"'
        )
        raise UsageError(f"{path} is not valid TOML: {error}", fix) from error


def _classifier(path: Path, key: str, entry: ClassifierEntry, weight: float | None) -> Classifier:
    stated = entry.default_weight
    named = stated if isinstance(stated, str) else None
    weight = _own_weight(entry) if weight is None else weight
    choice = _chosen(path, key, entry, named)
    file = None if choice is None else path.parent / Path(choice).expanduser()
    if entry.model_type == "card":
        if file is None:
            raise UsageError(
                f'{path.name}: {key}: a classifier of model_type "card" has no weights',
                'weights = "card.toml"',
            )
        return Classifier(key, entry, weight, "", file)
    usual = USUAL[entry.model_type]
    if _is_checkpoint(choice):
        variant = usual if named is None or _is_checkpoint(named) else named
        return Classifier(key, entry, weight, variant, file)
    variant = choice or usual
    if not variant.startswith(_family(usual)):
        what = f"{path.name}: {key}: weights {variant!r} are not of model_type {entry.model_type!r}"
        raise UsageError(what, f"for instance {usual}")
    return Classifier(key, entry, weight, variant, None)


def _family(variant: str) -> str:
    """``densenet`` of ``densenet121-res224-all``."""
    return variant.partition("-")[0].rstrip("0123456789")


def _is_checkpoint(choice: str | None) -> bool:
    return choice is not None and choice.endswith(CHECKPOINTS)


def _own_weight(entry: ClassifierEntry) -> float:
    """The weight in the ensemble that the file states; 1 where it states none."""
    stated = entry.default_weight
    return 1.0 if stated is None or isinstance(stated, str) else float(stated)


def _chosen(path: Path, key: str, entry: ClassifierEntry, named: str | None) -> str | None:
    """Which of ``weights``.

    The one that ``default_weight`` names, or the checkpoint beside its name, or the first.
    """
    if named is None:
        return entry.weights[0] if entry.weights else None
    if not entry.weights or named in entry.weights:
        return named
    files = [choice for choice in entry.weights if choice.endswith(CHECKPOINTS)]
    if len(files) == len(entry.weights) == 1 and entry.model_type != "card":
        return files[0]
    fix = did_you_mean(named, entry.weights)
    raise UsageError(f"{path.name}: {key}: default_weight {named!r} is not one of its weights", fix)


_WANTED = {
    "classifiers": "a table each: [classifiers.densenet121]",
    "model_type": " or ".join(get_args(ModelType)),
    "default_weight": (
        "the name of one of its weights, or a number of 0 or more, its weight in the ensemble"
    ),
    "weights": "a name or path, or a list of them",
    "input_size": "a whole number of pixels above 0",
    "num_pathologies": "a whole number",
    "cam_method": "the name of a method, such as gradcam++",
}


def _one_line(error: ValidationError, content: Mapping[str, Any], where: str) -> UsageError:
    """The first complaint of each key: what, where, how to mend."""
    complaints: dict[str, str] = {}
    fixes: list[str] = []
    for detail in error.errors():
        parts = [str(part) for part in detail["loc"][:3]]
        key = ".".join(parts[1:] if len(parts) > 1 else parts)
        if key in complaints:
            continue
        complaints[key], fix = _complaint(key, parts, detail["type"], detail["input"])
        fixes.append(fix)
    distinct = dict.fromkeys(filter(None, fixes))
    return UsageError(f"{where}: {'; '.join(complaints.values())}", "; ".join(distinct))


def _complaint(key: str, parts: Sequence[str], kind: str, value: Any) -> tuple[str, str]:
    """What is wrong with a key, and how to mend it."""
    name, in_classifier = parts[-1], len(parts) == 3
    if kind == "extra_forbidden":
        owner = "a classifier" if in_classifier else "this file"
        keys = list(ClassifierEntry.model_fields) if in_classifier else ["classifiers"]
        return f"{key} is not a key of {owner}", did_you_mean(name, keys)
    if kind == "missing":
        return f"{key} is missing: {_WANTED[name]}", ""
    wanted = "a table" if len(parts) == 2 else _WANTED.get(name, "text")
    fix = did_you_mean(str(value), get_args(ModelType)) if name == "model_type" else ""
    return f"{key} = {value!r}: should be {wanted}", fix
