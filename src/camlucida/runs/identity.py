"""What a stored map is the map of: everything that can change it, in one hash."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from camlucida import __version__
from camlucida.core.errors import ImageError
from camlucida.core.files import json_default
from camlucida.io.storage import fetch
from camlucida.io.volumes.series import series_sha256
from camlucida.models import LoadedModel
from camlucida.models.card import factory_file
from camlucida.runs.extensions import extension_digest

COMPUTING = (
    "core",
    "io",
    "models",
    "attribution",
    "runs/compute.py",
    "runs/rows.py",
)
"""Files and folders of this package whose code a map or a prediction goes through."""


@dataclass(frozen=True)
class Recipe:
    """All that makes maps and predictions of an image, but the image.

    Attributes:
        weights: SHA-256 of the model's weights.
        card: factory, arguments, task, labels, output and preprocessing, as canonical JSON.
        network: hash of the code of the model's modules, of its factory's file and of what these
            import beside it.
        targets: words, in order; None for the task's default.
        methods, layers: names, in order.
        code: hash of this package's computing code (:func:`code_digest`), and of the methods and
            readers of other packages, if there are any.
        versions: of this package and of PyTorch.
    """

    weights: str
    card: str
    network: str
    targets: tuple[str | int, ...] | None
    methods: tuple[str, ...]
    layers: tuple[str, ...]
    code: str
    versions: tuple[str, str]


def make_recipe(
    model: LoadedModel,
    targets: tuple[str | int, ...] | None,
    methods: tuple[str, ...],
    layers: tuple[str, ...],
) -> Recipe:
    """The recipe of a loaded model and a request."""
    names_only = {"name", "description", "checkpoint", "layer"}
    card = model.card.model_dump(mode="json", exclude=names_only)
    local = factory_file(model.card.factory)
    base = model.card_path.parent if model.card_path is not None else Path.cwd()
    network = network_digest(model.module, base / local[0] if local else None)
    versions = (__version__, torch.__version__)
    code = code_digest() + extension_digest(methods)
    return Recipe(model.sha256, canonical(card), network, targets, methods, layers, code, versions)


def identity(recipe: Recipe, image_sha256: str, truth: tuple[str, ...] = ()) -> str:
    """The identity of one item, 40 hexadecimal digits.

    Two identities are equal only where maps and predictions come from the same bytes and recipe.

    Args:
        recipe: what makes the maps.
        image_sha256: of the image file's bytes.
        truth: labels that are true of the image, where they are what is explained.
    """
    return digest(canonical([asdict(recipe), image_sha256, truth]))


def changed(before: Mapping[str, Any], now: Recipe) -> list[str]:
    """Names of the fields in which a stored recipe differs.

    Args:
        before: the stored recipe, as JSON.
        now: the present one.

    Returns:
        The names; of short fields with both values: "methods (['a'] → ['b'])".
    """
    after = json.loads(canonical(asdict(now)))
    short = ("targets", "methods", "layers", "versions")
    names = [item.name for item in fields(now) if after[item.name] != before.get(item.name)]
    return [
        f"{name} ({before.get(name)} → {after[name]})" if name in short else name for name in names
    ]


def canonical(value: Any) -> str:
    """JSON text that does not depend on the order of keys.

    >>> canonical({"b": 1, "a": [2]})
    '{"a":[2],"b":1}'
    """
    return json.dumps(
        value,
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
        default=json_default,
    )


def digest(text: str) -> str:
    """BLAKE2b of a text, 160 bits, hexadecimal.

    >>> len(digest("a"))
    40
    """
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def file_sha256(path: Path) -> str | None:
    """SHA-256 of a file's bytes; of the folder of a DICOM series that of its volume.

    Args:
        path: of the file or folder.

    Returns:
        64 hexadecimal digits; None where the file cannot be read.

    >>> file_sha256(Path("no-such-file")) is None
    True
    """
    if path.is_dir():
        return series_sha256(path)
    try:
        with fetch(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ImageError):
        return None


def network_digest(module: nn.Module, factory: Path | None) -> str:
    """Hash of the code of a model.

    It covers the source files of every module's ``forward``, the factory's file, and the files
    beside that one which they import. PyTorch's own files are left out; its version counts.

    Args:
        module: the model.
        factory: the file of the function that built it; None where it comes from a package.
    """
    files = set(_forward_files(module))
    if factory is not None:
        folder = factory.parent.resolve()
        resolved = {path.resolve() for path in files}
        local = {path for path in resolved if path.is_relative_to(folder)}
        files |= _with_imports({factory.resolve(), *local}, folder)
    torch_folder = Path(torch.__file__).parent
    hashes = {file_sha256(path) for path in files if not path.is_relative_to(torch_folder)}
    return digest(canonical(sorted(map(str, hashes - {None}))))


def _forward_files(module: nn.Module) -> Iterator[Path]:
    for part in module.modules():
        code = getattr(getattr(type(part), "forward", None), "__code__", None)
        if code is not None:
            yield Path(code.co_filename)


def _with_imports(files: Iterable[Path], folder: Path) -> set[Path]:
    """The files, what they import from their folder, what that imports, and so on."""
    reached: set[Path] = set()
    pending = list(files)
    while pending:
        file = pending.pop()
        if file not in reached and file.is_file():
            reached.add(file)
            pending += _imported(file, folder)
    return reached


def _imported(file: Path, folder: Path) -> Iterator[Path]:
    """Where the modules that a file imports would lie: in ``folder``, or in the file's package."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        names: list[str] = []
        base = folder
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module or ''}.{alias.name}".lstrip(".") for alias in node.names]
            base = file.parents[node.level - 1] if 0 < node.level <= len(file.parents) else folder
        for name in names:
            yield from _module_files(base, name.split("."))


def _module_files(base: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Files of a module and of the packages that hold it."""
    for end in range(1, len(parts) + 1):
        path = base.joinpath(*parts[:end])
        yield path.with_name(f"{path.name}.py")
        yield path / "__init__.py"


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Hash of :data:`COMPUTING`."""
    root = Path(__file__).parents[1]
    files: list[Path] = []
    for name in COMPUTING:
        files += [root / name] if name.endswith(".py") else sorted((root / name).rglob("*.py"))
    hashes = [(file.relative_to(root).as_posix(), file_sha256(file)) for file in files]
    return digest(canonical(hashes))
