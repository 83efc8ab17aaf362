"""The model card: one TOML file that says how to build a model, what goes in and what comes out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.files import reading
from camlucida.core.output_spec import OutputSpec, RegionScore, Task
from camlucida.models.card_file import FACTORY_HELP, read_card_file
from camlucida.models.preprocessing.spec import ALWAYS, InputSpec
from camlucida.models.preprocessing.volume_spec import VolumeInput


class Card(BaseModel):
    """A model card. See ``docs/reference/model-cards.md`` for the file.

    Attributes:
        factory: what builds the model: ``net.py:build``, ``package.module:callable``,
            ``torchvision:resnet50`` and its like, ``hf:FOLDER``.
        args, checkpoint: keyword arguments of the factory; file of weights, relative to the card.
        checkpoint_key: which network of the file, where it holds several.
        task: "multiclass", "multilabel", "binary", "segmentation" or "regression"; None guesses it.
        labels: one an output channel, in order; "" for a channel that is not trained.
        output: "logits" or "probabilities": what ``forward`` returns; or the name or index of the
            one that is meant, where it returns more than one.
        logits_from: where ``forward`` returns probabilities, path of the module of the logits.
        overlapping: whether channels of a segmentation can overlap; None where the model shows it.
        region_score: of a region of a segmentation, the "mean" of its logits or their "sum".
        layer: what to explain: "auto", an alias, a path, or more than one of these.
        grid, prefix: of tokens that cannot be traced: cells an axis, and tokens before them.
        name, description: shown in results; without a name the card's file name.
        input: what the model was trained on.
        volume: what a model of volumes was trained on, in place of ``input``.

    Raises:
        ValueError: an unknown key, a value of another type, or values that contradict each other.

    >>> card = Card(factory="net.py:build", task="binary", labels=("Mass",))
    >>> card.output, card.layer, card.input.size
    ('logits', 'auto', 224)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    factory: str
    args: dict[str, Any] = {}
    checkpoint: str | None = None
    checkpoint_key: str | None = None
    task: Task | None = None
    labels: tuple[str, ...] = ()
    output: str | int = "logits"
    logits_from: str | None = None
    overlapping: bool | None = None
    region_score: RegionScore = "mean"
    layer: str | tuple[str, ...] = "auto"
    grid: tuple[Annotated[int, Field(gt=0)], ...] | None = None
    prefix: Annotated[int, Field(ge=0)] | None = None
    name: str | None = None
    description: str = ""
    input: InputSpec = InputSpec()
    volume: VolumeInput | None = None

    def output_spec(self) -> OutputSpec:
        """The part of the card that ``explain`` needs.

        >>> Card(factory="net.py:build", output="side").output_spec().head
        'side'
        """
        spec = OutputSpec(self.task, self.labels, "logits", self.logits_from)
        spec = replace(spec, overlapping=self.overlapping, region_score=self.region_score)
        return spec.with_output(self.output)

    @model_validator(mode="after")
    def _consistent(self) -> Card:
        if not is_factory(self.factory):
            raise ValueError(f"factory = {self.factory!r} is not a factory: {FACTORY_HELP}")
        if self.logits_from is not None and self.output == "logits":
            reason = "a model that returns logits has them already"
            raise ValueError(f'logits_from needs output = "probabilities": {reason}')
        if self.input.crop < 1 and self.input.fit not in ("center-crop", "short-side"):
            fits = 'input.fit = "center-crop" or "short-side"'
            raise ValueError(f"input.crop = {self.input.crop} needs {fits}")
        if not self.layer:
            raise ValueError('layer is empty: write "auto", a name, or a list of names')
        self._check_labels()
        return self

    def _check_labels(self) -> None:
        count = len(self.labels)
        if self.task == "multiclass" and count == 1:
            raise ValueError(
                'task = "multiclass" has 1 label: it needs at least 2, or task = "binary"'
            )
        if self.task == "binary" and count > 2:
            raise ValueError(f'task = "binary" has {count} labels: it takes 1 or 2')
        for key in ("num_classes", "classes"):  # smp writes classes, the others num_classes
            channels = self.args.get(key)
            both_classes = self.task == "binary" and (channels, count) == (1, 2)
            if not count or not isinstance(channels, int) or both_classes:
                continue
            if channels != count:
                raise ValueError(
                    f"args.{key} = {channels}, but there are {count} labels: "
                    "one label an output channel"
                )


_VOLUME_HELP = 'for instance orientation = "RAS", size = [96, 96, 96]'


def is_factory(text: str) -> bool:
    """Whether ``text`` reads ``where:what``, whether or not these exist.

    Args:
        text: as the user wrote it.

    >>> is_factory("net.py:build"), is_factory("card.toml")
    (True, False)
    """
    where, _, what = text.partition(":")
    return bool(where.strip() and what.strip()) and not text.endswith((".toml", ".py"))


def factory_file(factory: str) -> tuple[Path, str] | None:
    """("net.py", "build") of ``net.py:build``; None when the factory is not the user's own file.

    Args:
        factory: ``where:what``.

    >>> factory_file("torchvision.models:resnet18") is None
    True
    """
    where, _, what = factory.rpartition(":")
    return (Path(where).expanduser(), what) if where.endswith(".py") else None


def anchored_factory(factory: str, folder: Path) -> str:
    """A factory with the absolute path of its file, or of a folder or file that exists.

    Args:
        factory: ``where:what``.
        folder: that a relative path starts from.

    >>> anchored_factory("net.py:build", Path("/study")), anchored_factory("timm:vgg11", Path())
    ('/study/net.py:build', 'timm:vgg11')
    """
    user_file = factory_file(factory)
    if user_file is not None:
        return f"{(folder / user_file[0]).absolute()}:{user_file[1]}"
    prefix, _, name = factory.partition(":")
    if prefix not in ("hf", "onnx", "keras", "monai"):
        return factory
    local = folder / Path(name).expanduser()
    return f"{prefix}:{local.absolute()}" if local.exists() else factory


def read_card(
    source: str | Path, factory: str | None = None, checkpoint: str | Path | None = None
) -> tuple[Card, Path]:
    """Read a model card.

    Args:
        source: a TOML file; or a factory by itself, such as ``torchvision:resnet50``, with defaults
            for the rest.
        factory: used in place of the card's own; a file in it is relative to the current directory.
        checkpoint: used in place of the card's own; relative to the current directory.

    Returns:
        The card, and the folder that the card's own relative paths start from.

    Raises:
        UsageError: no such file, not TOML in UTF-8, an unknown key, a value of another type, or a
            label that is there twice.

    >>> card, folder = read_card("torchvision:resnet50")
    >>> card.factory
    'torchvision:resnet50'
    """
    path = Path(source).expanduser()
    with reading(path, UsageError, "the model card"):
        bare = is_factory(str(source)) and not path.is_file()
        data: dict[str, Any] = {"factory": str(source)} if bare else read_card_file(path)
    if factory is not None:
        data["factory"] = anchored_factory(factory, Path.cwd())
    if checkpoint is not None:
        data["checkpoint"] = str(Path.cwd() / Path(checkpoint).expanduser())
    card = _validated(data, "the factory" if bare else path.name)
    if card.volume is not None and "input" in data:
        raise UsageError(
            f"{path.name} has [input] and [volume]", "[volume] is for models of volumes, alone"
        )
    twice = [name for name, count in Counter(card.labels).items() if name and count > 1]
    if twice:
        raise UsageError(
            f"{path.name}: labels: {twice[0]!r} is there twice", "a label names one output channel"
        )
    return card, Path.cwd() if bare else path.parent.absolute()


def resolve_card(card: Card, defaults: Mapping[str, Any], where: str) -> Card:
    """Fill in what the card does not state with what is known of its factory.

    What the card states always wins.

    Args:
        card: as it was read.
        defaults: card fields; ``input`` is a mapping of its own and is merged key by key.
        where: the card's name, for messages.

    Raises:
        UsageError: what the card states contradicts what is known.

    >>> card = Card(factory="net.py:build", labels=("Mass",))
    >>> resolve_card(card, {"task": "binary", "labels": ("Nodule",)}, "card.toml").labels
    ('Mass',)
    """
    stated = card.model_dump(exclude_unset=True)
    merged = {**defaults, **stated}
    merged["input"] = _merged_input(defaults.get("input", {}), stated.get("input", {}), where)
    if merged.get("output", "logits") == "logits" and "logits_from" not in stated:
        merged.pop("logits_from", None)
    return _validated(merged, where)


_SCALE_KEYS = ("range", "mean", "std")


def _merged_input(
    defaults: Mapping[str, Any], stated: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """Defaults that contradict a stated key go: the grey scale is one thing, and so is the crop."""
    kept = dict(defaults)
    _check_steps(defaults, stated, where)
    if stated.get("steps") or stated.get("transform"):
        # The steps are the whole preprocessing: nothing of the factory's is added to them.
        kept = {key: kept[key] for key in ALWAYS if key in kept and key != "size"}
        return {**kept, **stated}
    channels = stated.get("channels", kept.get("channels", 3))
    means = len(kept.get("mean") or ())
    states_scale = any(key in stated for key in _SCALE_KEYS)
    states_scale |= stated.get("intensity") == "z-score"
    if states_scale or means not in (0, channels):
        for key in _SCALE_KEYS:
            kept.pop(key, None)
    if stated.get("fit", "center-crop") not in ("center-crop", "short-side"):
        kept.pop("crop", None)
    return {**kept, **stated}


def _check_steps(defaults: Mapping[str, Any], stated: Mapping[str, Any], where: str) -> None:
    """Raises UsageError for a key that would have to change the steps of the factory."""
    if "steps" not in defaults or stated.keys() & {"steps", "transform"}:
        return
    replaced = sorted(key for key in stated if key == "size" or key not in ALWAYS)
    if replaced:
        raise UsageError(
            f"{where}: the model's own preprocessing is a list of steps, which "
            f"input.{replaced[0]} cannot change",
            f"leave it out, or write the whole list: steps = {defaults['steps']}",
        )


def _validated(data: Mapping[str, Any], where: str) -> Card:
    try:
        return Card.model_validate(data)
    except ValidationError as error:
        raise _flattened(error, data, where) from error


def _flattened(
    error: ValidationError, data: Mapping[str, Any], where: str, limit: int = 3
) -> UsageError:
    """Pydantic's report in one line: file, key, what was seen, how to mend."""
    complaints: dict[str, str] = {}
    fixes: dict[str, str] = {}
    for detail in error.errors():
        key, seen = _located(detail["loc"], data)
        message, fix = _explained(detail["type"], detail["msg"], key, seen)
        if key in complaints:  # the branches of a union complain one by one
            complaints[key] += f", or {message}"
        else:
            complaints[key] = _complaint(key, seen, message)
        if fix:
            fixes[key] = fix
    lines = list(complaints.values())
    shown = "; ".join(lines[:limit])
    others = len(lines) - limit
    rest = f"; and {others} more" if others > 0 else ""
    return UsageError(f"{where}: {shown}{rest}", "; ".join(list(fixes.values())[:limit]))


def _located(loc: tuple[int | str, ...], data: Any) -> tuple[str, Any]:
    """("input.size", its value).

    As much of pydantic's location as the card itself has, or the missing key.
    """
    key = ""
    for part in loc:
        if isinstance(data, Mapping) and part in data:
            data = data[str(part)]
            key = f"{key}.{part}".lstrip(".")
        elif isinstance(data, list | tuple) and isinstance(part, int) and part < len(data):
            data = data[part]
            key = f"{key}[{part}]"
        elif isinstance(data, Mapping):
            return f"{key}.{part}".lstrip("."), data
        else:
            break  # the rest names a branch of a union
    return key, data


def _explained(kind: str, message: str, key: str, seen: Any) -> tuple[str, str]:
    if kind == "extra_forbidden":
        name = key.rpartition(".")[2]
        if key.startswith("volume."):
            return "is no key of [volume]", did_you_mean(name, VolumeInput.model_fields)
        inside = key.startswith("input.")
        fields, others = (InputSpec, Card) if inside else (Card, InputSpec)
        if name in others.model_fields:
            position = "above" if inside else "under"
            return f"belongs {position} [input]", ""
        return "is not a key of a model card", did_you_mean(name, fields.model_fields)
    if kind == "literal_error":
        expected = message.removeprefix("Input should be ")
        quoted = re.findall(r"'([^']*)'", expected)
        fix = did_you_mean(str(seen), quoted) if quoted else ""
        return f"should be {expected}", fix
    if kind == "missing":
        if key == "factory":
            return "is missing", FACTORY_HELP
        if key.startswith("volume."):
            return "is missing", _VOLUME_HELP
        return "needs two numbers", ""
    wording = message.removeprefix("Value error, ")
    return wording.replace("Input should be", "should be"), ""


def _complaint(key: str, seen: Any, message: str) -> str:
    if not key:  # about the card as a whole
        return message
    if isinstance(seen, Mapping):
        return f"{key}: {message}"
    return f"{key} = {_shown(seen)}: {message}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
