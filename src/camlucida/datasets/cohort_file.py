"""COHORT.toml: the images, their table, the models and what to explain, in one file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    ValidationError,
    model_validator,
)

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.files import parse_toml, reading
from camlucida.io.storage import copy_path, fetched, is_address
from camlucida.models.card import anchored_factory, is_factory


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, (str, int)) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
"""One word, or a list of at least one."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CohortColumns(_Part):
    """``[columns]``: what the table's columns are called, where their names do not say it."""

    id: str | None = None
    path: str | None = None
    patient: str | None = None
    labels: str | None = None
    value: str | None = None
    mask: str | None = None
    box: str | None = None
    split: str | None = None
    groups: Words | tuple[()] = ()
    id_pattern: str | None = None
    class_names: dict[str, str] = Field(default_factory=dict)


class ModelEntry(_Part):
    """One of ``[[models]]``."""

    card: str
    name: str | None = None
    checkpoint: str | None = None
    checkpoint_key: str | None = None
    output: str | StrictInt | None = None
    seed: int | None = None
    fold: int | str | None = None
    weight: Annotated[float, Field(gt=0)] = 1.0


class ExplainConfig(_Part):
    """``[explain]``: as the options of ``camlucida explain``."""

    target: (
        Annotated[tuple[str | StrictInt, ...], BeforeValidator(_listed), Field(min_length=1)] | None
    ) = None
    method: Words = ("gradcam",)
    layer: Words | None = None


class CohortConfig(_Part):
    """A whole COHORT.toml. See ``docs/how-to/runs.md``."""

    name: str | None = None
    images: Words | None = None
    table: str | None = None
    sheet: str | None = None
    masks: str | None = None
    boxes: str | None = None
    regions: str | None = None
    split: str | None = None
    model: str | None = None
    models: tuple[ModelEntry, ...] = ()
    columns: CohortColumns = CohortColumns()
    explain: ExplainConfig = ExplainConfig()

    @model_validator(mode="after")
    def _consistent(self) -> CohortConfig:
        if self.images is None and self.table is None:
            raise ValueError(
                "neither images nor a table is given: "
                'write images = "films", or a table with a path column'
            )
        if (self.model is None) == (not self.models):
            raise ValueError('give either model = "card.toml" or [[models]]')
        requested = [f"columns.{key}" for key, value in self.columns if value]
        requested += [key for key in ("split", "sheet") if getattr(self, key) is not None]
        if self.table is None and requested:
            raise ValueError(f"{', '.join(requested)} requested, but no table is given")
        return self


@dataclass(frozen=True)
class CohortFile:
    """A COHORT.toml that was read; its relative paths start from its own folder."""

    path: Path
    config: CohortConfig

    @property
    def name(self) -> str:
        """The cohort's name, else the file's stem."""
        return self.config.name or self.path.stem

    def resolve(self, path: str) -> Path:
        """A path that is written in the file, absolute; of an address, where its copy lies."""
        return copy_path(path) if is_address(path) else self.path.parent / Path(path).expanduser()

    def fetched(self, path: str) -> Path:
        """As :meth:`resolve`; what lies at an address is fetched.

        Raises:
            UsageError: the object is not there, or cannot be read.
        """
        return fetched(path) if is_address(path) else self.resolve(path)

    def models(self) -> tuple[ModelEntry, ...]:
        """The models, with absolute paths; a card that is a factory by itself stays one."""
        entries = self.config.models or (ModelEntry(card=str(self.config.model)),)
        return tuple(entry.model_copy(update=self._anchored(entry)) for entry in entries)

    def _anchored(self, entry: ModelEntry) -> dict[str, str | None]:
        checkpoint = None if entry.checkpoint is None else str(self.fetched(entry.checkpoint))
        file = self.resolve(entry.card)
        if file.is_file() or not is_factory(entry.card):
            return {"card": str(file), "checkpoint": checkpoint}
        card = anchored_factory(entry.card, self.path.parent)
        return {"card": card, "checkpoint": checkpoint}


def read_cohort_file(path: str | Path) -> CohortFile:
    """Read a COHORT.toml.

    Raises:
        UsageError: missing, not TOML, an unknown key, a value of another kind, or keys that do not
            go together.
    """
    path = Path(path).expanduser().absolute()
    with reading(path, UsageError, "the cohort"):
        if not path.is_file():
            raise _missing(path)
        data = path.read_bytes()
    try:
        content = parse_toml(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not a text file in UTF-8", "a cohort is described by a TOML file"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{path} is not valid TOML: {error}", 'strings need quotes: table = "labels.csv"'
        ) from error
    try:
        return CohortFile(path, CohortConfig.model_validate(content))
    except ValidationError as error:
        raise _one_line(error, content, path.name) from error


def _missing(path: Path) -> UsageError:
    if path.is_dir():
        here = sorted(file.name for file in path.glob("*.toml"))
        fix = (
            did_you_mean("cohort.toml", here)
            if here
            else "write one with two lines, images = … and model = …"
        )
        return UsageError(f"{path} is a folder, not a cohort's TOML file", fix)
    folder = path.parent
    near = sorted(file.name for file in folder.glob("*.toml")) if folder.is_dir() else []
    return UsageError(
        f"no cohort {path}", did_you_mean(path.name, near) if near else "give a COHORT.toml"
    )


_KEYS: dict[str, type[_Part]] = {
    "": CohortConfig,
    "columns": CohortColumns,
    "models": ModelEntry,
    "explain": ExplainConfig,
}


def _one_line(error: ValidationError, content: Mapping[str, Any], where: str) -> UsageError:
    """The first complaint of each key: what, where, how to mend."""
    complaints: dict[str, str] = {}
    fixes: list[str] = []
    for detail in error.errors():
        key, seen = _located(detail["loc"], content)
        if key in complaints:
            continue
        if detail["type"] == "extra_forbidden":
            section, _, name = key.rpartition(".")
            complaints[key] = f"{key} is not a key of a cohort"
            fixes.append(did_you_mean(name, _KEYS[section.partition("[")[0]].model_fields))
        elif detail["type"] == "missing":
            complaints[key] = f"{key} is missing"
        else:
            reason = detail["msg"].removeprefix("Value error, ")
            reason = reason.replace("Input should be", "should be")
            reason = _KINDS.get(detail["type"], reason).format(key)
            complaints[key] = f"{key} = {seen!r}: {reason}" if key else reason
    return UsageError(f"{where}: {'; '.join(complaints.values())}", "; ".join(fixes))


_KINDS = {
    "model_type": "should be a section: [{}]",
    "tuple_type": "should be a list, or of sections [[{}]]",
}
"""Kind of error of pydantic → what the key should be."""


def _located(loc: tuple[int | str, ...], content: Any) -> tuple[str, Any]:
    """("models[0].card", its value): as much of pydantic's location as the file has.

    Where a key is missing, that key.
    """
    key = ""
    for part in loc:
        if isinstance(content, Mapping):
            key, content = f"{key}.{part}".lstrip("."), content.get(str(part))
        elif isinstance(content, list) and isinstance(part, int) and part < len(content):
            key, content = f"{key}[{part}]", content[part]
        else:
            break
    return key, content
