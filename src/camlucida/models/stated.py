"""What a checkpoint and the files beside it state: architecture, image size, scale, labels.

Training scripts save their options in the checkpoint (``args``, ``config``, ``hyper_parameters``)
or beside it (``config.yaml``, ``hparams.yaml``, ``summary.json``). Each fact keeps where it stands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from camlucida.core.messages import Message, Value, declare
from camlucida.core.output_spec import Task
from camlucida.io.pickles import plain
from camlucida.models.side_files import side_files

declare(
    "stated",
    {
        "architecture": "architecture {value}: read from {source}",
        "encoder": "encoder {value}: read from {source}",
        "size": "image size {value}: read from {source}",
        "mean": "mean {value}: read from {source}",
        "std": "standard deviation {value}: read from {source}",
        "labels": "labels {value}: read from {source}",
        "outputs": "{value} {value:|output|outputs}: read from {source}",
        "channels": "{value} input {value:|channel|channels}: read from {source}",
        "task": "task {value}: read from {source}",
        "interpolation": "interpolation of the decoder {value}: read from {source}",
        "in_checkpoint": "the checkpoint ({name})",
        "in_file": "{file} ({name})",
        "conflict": "{source} states another value ({value}), which is not used",
    },
)

_MAX_PARTS = 5000
_MAX_DEPTH = 4

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Fact:
    """One value, and where it stands.

    Attributes:
        value: checked.
        source: for the reader.
        others: other values of the same kind that were seen: (value, source).
    """

    value: Any
    source: Message
    others: tuple[tuple[Any, Message], ...] = ()


@dataclass(frozen=True)
class Stated:
    """Facts by kind.

    The kinds: architecture, encoder, size, mean, std, labels, outputs, channels, task, features,
    interpolation.
    """

    facts: Mapping[str, Fact] = field(default_factory=dict)

    def value(self, kind: str) -> Any:
        """The value of a kind; None where nothing states it.

        Args:
            kind: see the class.

        >>> Stated().value("size") is None
        True
        """
        fact = self.facts.get(kind)
        return None if fact is None else fact.value

    def notes(self, kinds: Sequence[str]) -> list[Message]:
        """Where the values of these kinds stand, and what else is stated.

        Args:
            kinds: that were used.
        """
        notes = []
        for kind in kinds:
            fact = self.facts.get(kind)
            if fact is None:
                continue
            value: Value = fact.value if isinstance(fact.value, int) else _text(fact.value)
            notes.append(Message(f"stated.{kind}", {"value": value, "source": fact.source}))
            for other, source in fact.others:
                values: dict[str, Value] = {"value": _text(other), "source": source}
                notes.append(Message("stated.conflict", values))
        return notes

    @property
    def input_fields(self) -> dict[str, Any]:
        """``[input]`` of a card, as far as it is stated."""
        fields = {}
        size, channels = self.value("size"), self.value("channels")
        if size is not None:
            fields["size"] = size[0] if size[0] == size[1] else size
        if channels is not None:
            fields["channels"] = channels
        mean, std = self.value("mean"), self.value("std")
        if mean is not None and std is not None and len(mean) == len(std):
            fields |= {"mean": mean, "std": std}
        return fields


def stated_facts(path: Path, content: object) -> Stated:
    """What a checkpoint and the files beside it state.

    Args:
        path: of the checkpoint.
        content: of the checkpoint, as :func:`camlucida.io.pickles.read_pickled` gives it.

    >>> stated = stated_facts(Path("none/best.pth"), {"args": {"img_size": 256}})
    >>> stated.value("size"), str(stated.facts["size"].source)
    ((256, 256), 'the checkpoint (args.img_size)')
    """
    seen: dict[str, list[tuple[Any, Message]]] = {}
    for name, value in _leaves(content):
        source = Message("stated.in_checkpoint", {"name": name})
        _collect(seen, name, value, source)
    for file, document in side_files(path):
        for name, value in _leaves(document):
            source = Message("stated.in_file", {"file": file, "name": name})
            _collect(seen, name, value, source)
    return Stated({kind: _fact(values) for kind, values in seen.items()})


def _fact(values: list[tuple[Any, Message]]) -> Fact:
    (value, source), *rest = values
    others = {_text(other): (other, where) for other, where in rest if other != value}
    return Fact(value, source, tuple(others.values()))


def _collect(
    seen: dict[str, list[tuple[Any, Message]]], name: str, value: object, source: Message
) -> None:
    last = name.rpartition(".")[2].casefold()
    for kind, read in _READERS.get(last, ()):
        fact = read(value)
        if fact is not None:
            seen.setdefault(kind, []).append((fact, source))


def _leaves(content: object) -> Iterator[tuple[str, Any]]:
    """Names with dots → plain values, those at the top first; lists and dictionaries, too."""
    pending: list[tuple[str, Any, int]] = [("", content, 0)]
    parts = 0
    while pending and parts < _MAX_PARTS:
        name, value, depth = pending.pop(0)
        parts += 1
        known = name.rpartition(".")[2].casefold() in _READERS
        simple = plain(value, depth=3) if known or depth > 0 else None
        if known and simple is not None:
            yield name, simple
        mapping = plain_mapping(value)
        if mapping is not None and depth < _MAX_DEPTH:
            for key, part in mapping.items():
                pending.append((f"{name}.{key}".lstrip("."), part, depth + 1))


def plain_mapping(value: object) -> Mapping[Any, Any] | None:
    """A dictionary of options; None for anything else, and for a state dict.

    Args:
        value: from a pickle or a side file.
    """
    from torch import Tensor

    from camlucida.io.pickles import as_mapping

    mapping = as_mapping(value)
    if mapping is None or len(mapping) > 2000:
        return None
    tensors = sum(isinstance(part, Tensor) and part.ndim > 0 for part in mapping.values())
    return None if tensors > len(mapping) / 2 else mapping


# What each name may mean, and the check of its value.


def _word(value: object) -> str | None:
    short = isinstance(value, str) and 0 < len(value) <= 120 and value.isprintable()
    return str(value) if short else None


def _size(value: object) -> tuple[int, int] | None:
    """A side; height and width; or channels, height and width, as timm writes them."""
    if isinstance(value, (list, tuple)):
        sides = list(value)[-2:]
        if len(value) not in (1, 2, 3):
            return None
    elif isinstance(value, dict):
        sides = [value.get("height"), value.get("width")]
    else:
        sides = [value]
    whole = [int(side) for side in sides if _is_side(side)]
    if len(whole) != len(sides) or not whole:
        return None
    return whole[0], whole[-1]


def _is_side(side: object) -> bool:
    number = isinstance(side, (int, float)) and not isinstance(side, bool)
    return number and 8 <= float(side) <= 8192 and float(side) == int(float(side))  # type: ignore[arg-type]


def _numbers(value: object) -> Numbers | None:
    values = [value] if isinstance(value, (int, float)) else value
    if not isinstance(values, (list, tuple)) or len(values) not in (1, 3):
        return None
    if not all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in values):
        return None
    numbers = tuple(float(n) for n in values)
    if max(map(abs, numbers)) > 4:  # of grey levels 0 to 255
        numbers = tuple(round(n / 255, 6) for n in numbers)
    return numbers if all(abs(n) <= 4 for n in numbers) else None


def _means(value: object) -> Numbers | None:
    """Of features beside the image: any finite numbers."""
    values = [value] if isinstance(value, (int, float)) else value
    if not isinstance(values, (list, tuple)) or not 0 < len(values) <= 512:
        return None
    if not all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in values):
        return None
    numbers = tuple(float(n) for n in values)
    return numbers if all(map(math.isfinite, numbers)) else None


def _deviations(value: object) -> Numbers | None:
    numbers = _numbers(value)
    return numbers if numbers is not None and min(numbers) > 0 else None


def _names(value: object) -> tuple[str, ...] | None:
    """Labels: a list of them, index → label, or label → index."""
    if isinstance(value, dict):
        value = _by_index(value)
    if not isinstance(value, list) or not 0 < len(value) <= 2000:
        return None
    names = [_word(name) for name in value]
    if None in names or len(set(names)) < len(names):
        return None
    return tuple(str(name) for name in names)


def _by_index(value: Mapping[Any, Any]) -> list[Any] | None:
    if all(isinstance(index, int) for index in value.values()):
        pairs = [(index, name) for name, index in value.items()]
    elif all(str(index).isdecimal() for index in value):
        pairs = [(int(index), name) for index, name in value.items()]
    else:
        return None
    pairs.sort(key=lambda pair: pair[0])
    in_order = [index for index, _ in pairs] == list(range(len(pairs)))
    return [name for _, name in pairs] if in_order else None


def _count(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 < value <= 100_000 else None  # type: ignore[return-value,operator]


def _channels(value: object) -> int | None:
    return _count(value) if value in (1, 3) else None


def _task(value: object) -> str | None:
    word = str(value).casefold().replace("-", "").replace("_", "").replace(" ", "")
    for task in get_args(Task):
        if word in (task, f"{task}classification"):
            return str(task)
    return None


def _interpolation(value: object) -> str | None:
    return str(value) if value in ("nearest", "bilinear", "bicubic", "area") else None


Reader = Callable[[object], Any]

_KINDS: tuple[tuple[str, Reader, str], ...] = (
    ("architecture", _word, "arch architecture model model_name model_arch model_type net network"),
    ("architecture", _word, "backbone backbone_name base_model"),
    ("encoder", _word, "encoder encoder_name"),
    ("size", _size, "image_size img_size input_size imgsz image_shape target_size resolution"),
    ("mean", _numbers, "mean img_mean image_mean norm_mean pixel_mean"),
    ("std", _deviations, "std img_std image_std norm_std pixel_std"),
    ("labels", _names, "class_names classes labels label_names target_names id2label names"),
    ("labels", _names, "class_to_idx idx_to_class label_map"),
    ("outputs", _count, "num_classes n_classes nb_classes num_labels num_outputs classes"),
    ("channels", _channels, "in_chans in_channels in_ch input_channels num_channels"),
    ("task", _task, "task problem_type"),
    ("interpolation", _interpolation, "decoder_interpolation"),
    ("features", _means, "aux_mean aux_means feature_mean feature_means features_mean"),
    ("features", _means, "clinical_mean clinical_means tabular_mean tabular_means meta_mean"),
)


def _readers() -> dict[str, list[tuple[str, Reader]]]:
    readers: dict[str, list[tuple[str, Reader]]] = {}
    for kind, read, names in _KINDS:
        for name in names.split():
            readers.setdefault(name, []).append((kind, read))
    return readers


_READERS = _readers()


def _text(value: Any) -> str:
    """A value for a note."""
    if isinstance(value, tuple) and len(value) == 2 and value[0] == value[1]:
        return str(value[0])
    if isinstance(value, tuple):
        shown = [f"{item:g}" if isinstance(item, float) else str(item) for item in value[:12]]
        return ", ".join([*shown, "…"] if len(value) > 12 else shown)
    return str(value)
