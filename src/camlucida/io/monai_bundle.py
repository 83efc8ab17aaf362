"""The files of a MONAI bundle, read as data: nothing in them is run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from camlucida.core.errors import ModelError

CONFIGS = ("inference", "evaluate", "train")
"""Of the configurations that may hold the network, the first that is there."""

ENDINGS = (".json", ".yaml", ".yml")
"""Of configurations and metadata."""

MOST_REFERENCES = 20
"""That are followed one after the other: two that lead to each other never end."""

_OWN = 'build the network in a file of your own: factory = "net.py:build"'


@dataclass(frozen=True)
class MonaiBundle:
    """A bundle: its configuration, and what it states of itself.

    Attributes:
        folder: of the bundle.
        config: the content of ``configs/inference.json`` or ``.yaml``.
        metadata: the content of ``configs/metadata.json`` or ``.yaml``.
    """

    folder: Path
    config: Mapping[str, Any]
    metadata: Mapping[str, Any]

    @property
    def weights(self) -> Path:
        """Where the weights lie."""
        return self.folder / "models" / "model.pt"

    @property
    def spatial_dims(self) -> int:
        """2 of images, 3 of volumes; 0 where the metadata do not say."""
        return len(self.image.get("spatial_shape", ()))

    @property
    def image(self) -> Mapping[str, Any]:
        """What the metadata say of the image that the network takes."""
        found = self._format("inputs").get("image", {})
        return found if isinstance(found, Mapping) else {}

    @property
    def prediction(self) -> Mapping[str, Any]:
        """What the metadata say of the network's output."""
        found = self._format("outputs").get("pred", {})
        return found if isinstance(found, Mapping) else {}

    def _format(self, side: str) -> Mapping[str, Any]:
        formats = self.metadata.get("network_data_format", {})
        found = formats.get(side, {}) if isinstance(formats, Mapping) else {}
        return found if isinstance(found, Mapping) else {}

    def entry(self, given: Any) -> Any:
        """A value of the configuration as it stands there, without the references inside it.

        Args:
            given: as it stands in the file; of a reference, what it leads to.

        Raises:
            ModelError: as of :meth:`value`.
        """
        for _ in range(MOST_REFERENCES):
            if not isinstance(given, str) or given[:1] not in ("@", "%"):
                return given
            given = self._referred(given)
        return self.value(given, MOST_REFERENCES + 1)

    def value(self, given: Any, depth: int = 0) -> Any:
        """A value of the configuration, its references to other entries followed.

        Args:
            given: as it stands in the file.
            depth: of references that were followed.

        Raises:
            ModelError: an expression (``$…``), which would have to be run, or a reference that
                leads nowhere.
        """
        if isinstance(given, Mapping):
            return {key: self.value(item, depth) for key, item in given.items()}
        if isinstance(given, list):
            return [self.value(item, depth) for item in given]
        if not isinstance(given, str) or given[:1] not in ("@", "%", "$"):
            return given
        if given.startswith("$") or depth > MOST_REFERENCES:
            raise ModelError(f"{self.folder.name}: {given!r} is code, which is not run", _OWN)
        return self.value(self._referred(given), depth + 1)

    def _referred(self, reference: str) -> Any:
        held: Any = self.config
        for key in reference[1:].replace("::", "#").split("#"):
            if isinstance(held, list) and key.isdigit() and int(key) < len(held):
                held = held[int(key)]
            elif isinstance(held, Mapping) and key in held:
                held = held[key]
            else:
                raise ModelError(f"{self.folder.name}: {reference!r} leads nowhere", _OWN)
        return held


def read_bundle(folder: Path) -> MonaiBundle:
    """Read the configuration and the metadata of a bundle.

    Args:
        folder: that holds ``configs`` and ``models``.

    Raises:
        ModelError: no such folder, no configuration in JSON or YAML, or no metadata.
    """
    configs = folder / "configs"
    files = list(chain.from_iterable(_named(configs, name) for name in CONFIGS))
    if not files:
        raise ModelError(
            f"{folder} is no MONAI bundle: there is no configs/{CONFIGS[0]}.json or .yaml",
            "name the bundle's folder",
        )
    metadata = [*_named(configs, "metadata"), configs / "metadata.json"]
    return MonaiBundle(folder, _document(files[0]), _document(metadata[0]))


def states_volumes(folder: Path) -> bool:
    """Whether a folder is a bundle of a network of volumes.

    >>> states_volumes(Path("no-such-folder"))
    False
    """
    try:
        return read_bundle(folder).spatial_dims == 3
    except ModelError:
        return False


def _named(folder: Path, name: str) -> list[Path]:
    """The files of a name, JSON first."""
    paths = (folder / f"{name}{ending}" for ending in ENDINGS)
    return [path for path in paths if path.is_file()]


def _document(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text("utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}", "correct the file") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} is no table of settings", "correct the file")
    return content
