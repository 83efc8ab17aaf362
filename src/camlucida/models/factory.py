"""From a card's ``factory`` to a module: a package's model by name, or a callable of the user."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from torch import nn

from camlucida.core.errors import ModelError, UsageError, did_you_mean
from camlucida.models.card import anchored_factory, factory_file
from camlucida.models.module_facts import module_facts
from camlucida.models.unset import UnsetParameters
from camlucida.models.zoo import (
    ZOO,
    Args,
    Defaults,
    guard,
    hush,
    is_xrv,
    xrv_defaults,
)


def build(factory: str, args: Args, base: Path, pretrained: bool) -> nn.Module:
    """Build a model.

    Args:
        factory: ``torchvision:resnet50`` and its like, ``hf:FOLDER``, ``package.module:callable``,
            or ``net.py:build`` (folder and file are relative to ``base``).
        args: keyword arguments. For another package's model, ``pretrained = false`` asks for random
            weights.
        base: folder of the card.
        pretrained: False when the weights come from a checkpoint: then nothing is downloaded.

    Returns:
        The module, on the device where the factory put it.

    Raises:
        ModelError: no such package, file or callable; or it raises, or returns no module.

    >>> build("torch.nn:Linear", {"in_features": 2, "out_features": 1}, Path(), False)
    Linear(in_features=2, out_features=1, bias=True)
    """
    args, pretrained = _settled(factory, args, pretrained)
    module = _built(anchored_factory(factory, base), args, base, pretrained)
    hush(module)
    return module


def build_unset(factory: str, args: Args, base: Path) -> nn.Module:
    """Build a network whose parameters are all loaded afterwards: those of packages are zero.

    Args:
        factory, args, base: as of :func:`build`.

    Raises:
        ModelError: as of :func:`build`.
    """
    if factory.partition(":")[0] in ZOO or factory.startswith("camlucida."):
        with UnsetParameters():
            return build(factory, args, base, pretrained=False)
    # Other code may compute with the parameters that it makes.
    return build(factory, args, base, pretrained=False)


def _built(factory: str, args: Args, base: Path, pretrained: bool) -> nn.Module:
    prefix, _, name = factory.partition(":")
    if prefix in ZOO:
        fix = "give checkpoint = … in the card when its weights cannot be fetched"
        with guard(f"{factory} cannot be built{_with(args)}", fix if pretrained else ""):
            return ZOO[prefix].build(name, args, pretrained)
    user_file = factory_file(factory)
    if user_file is None:
        package, _, function = factory.rpartition(":")
        return _called(factory, _module(package), function, args)
    file, function = user_file
    path = base / file
    with _importing_from(path):
        return _called(f"{path.name}:{function}", _file(path), function, args)


def defaults(
    factory: str,
    args: Args,
    pretrained: bool,
    module: nn.Module,
    base: Path = Path(),
    stated: Set[str] = frozenset(),
) -> Defaults:
    """Card fields that are known without being stated; ``input`` is a mapping of its own.

    What the module itself tells is the same for a bare one; see
    :func:`~camlucida.models.module_facts.module_facts`.

    Args:
        factory: ``where:what``.
        args: of the factory.
        pretrained: False when the weights come from a checkpoint.
        module: that the factory built.
        base: folder of the card.
        stated: keys that the card has under ``[input]``; "volume" where it has ``[volume]``.

    Raises:
        ModelError: how images are prepared is not known, and the card does not state it.

    >>> module = nn.ReLU()
    >>> module.labels = ["Mass", "Nodule"]
    >>> defaults("net.py:build", {}, False, module)
    {'labels': ('Mass', 'Nodule')}
    """
    args, pretrained = _settled(factory, args, pretrained)
    prefix, _, name = anchored_factory(factory, base).partition(":")
    if prefix in ZOO:
        package = ZOO[prefix]
        fields = package.defaults(name, args, pretrained, module)
        if package.inputs is None:
            return fields
        with guard(f"{factory}: its preprocessing cannot be read"):
            read = package.inputs(name, args, pretrained, module, frozenset(stated))
        volume = {"volume": read.pop("volume")} if "volume" in read else {}
        return {**fields, **volume, "input": read}
    if is_xrv(module):
        return xrv_defaults(module)
    return module_facts(module)


def load_object(reference: str, base: Path) -> object:
    """What a Python file or module holds under a name.

    Args:
        reference: ``train.py:val_transform`` or ``package.module:name``; after the colon dots lead
            to attributes or keys (``train.py:data_transforms.val``).
        base: folder that a file is relative to.

    Raises:
        UsageError: ``reference`` is of another form.
        ModelError: no such file, module or name; or it cannot be imported.

    >>> load_object("math:pi", Path())
    3.141592653589793
    """
    user_file = factory_file(reference)
    where, _, name = reference.rpartition(":")
    if not where or not name:
        raise UsageError(f"{reference!r} names nothing", "write train.py:val_transform")
    if user_file is None:
        module = _module(where)
    else:
        path = base / user_file[0]
        with _importing_from(path):
            module = _file(path)
    held: object = module
    for part in name.split("."):
        held = _part(held, part, where)
    return held


def _part(held: object, part: str, where: str) -> object:
    """An attribute, or the value of a key."""
    if isinstance(held, Mapping):
        offered = [str(key) for key in held]
        if part in held:
            return held[part]
    else:
        offered = [key for key in getattr(held, "__dict__", {}) if not key.startswith("_")]
        if hasattr(held, part):
            return getattr(held, part)
    raise ModelError(f"{where} has no {part!r}", did_you_mean(part, offered))


def _settled(factory: str, args: Args, pretrained: bool) -> tuple[Args, bool]:
    """Take ``pretrained`` out of the args of a zoo model.

    A user's own callable may mean anything by it.
    """
    if factory.partition(":")[0] not in ZOO:
        return args, pretrained
    rest = {key: value for key, value in args.items() if key != "pretrained"}
    return rest, pretrained and bool(args.get("pretrained", True))


def _with(args: Args) -> str:
    pairs = ", ".join(f"{key} = {value!r}" for key, value in args.items())
    return f" with {pairs}" if pairs else ""


def _module(where: str) -> ModuleType:
    try:
        with guard(f"{where} cannot be imported"):
            return importlib.import_module(where)
    except ModelError as error:
        cause = error.__cause__
        # Another name is that of a package which the user's own module lacks.
        if not isinstance(cause, ModuleNotFoundError) or not where.startswith(cause.name or "-"):
            raise
        fix = "a file of your own is written net.py:build"
        if "." not in where:
            fix = did_you_mean(where, ZOO)
        raise ModelError(f"there is no package {where!r}", fix) from error


def _file(path: Path) -> ModuleType:
    """Import the user's file under a unique name: two cards can have a ``net.py`` each."""
    if not path.is_file():
        folder = path.parent
        near = sorted(file.name for file in folder.glob("*.py")) if folder.is_dir() else []
        raise ModelError(f"the factory's file {path} does not exist", did_you_mean(path.name, near))
    absolute = str(path.resolve())
    digest = hashlib.sha256(absolute.encode()).hexdigest()
    name = f"camlucida_factory_{digest[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path.name} cannot be imported as Python")
    if isinstance(spec.loader, SourceFileLoader):
        spec.loader = _Unstored(name, str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up by name
    with _placed(path), guard(f"{path.name} cannot be imported"):
        spec.loader.exec_module(module)
    return module


class _Unstored(SourceFileLoader):
    """Compiles the file's text each time, and stores nothing beside it.

    A stored compilation is matched with the text by second and size alone: of a file that changes
    twice in a second it can be that of the earlier text, and another network is explained.
    """

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _called(factory: str, module: ModuleType, name: str, args: Args) -> nn.Module:
    function = getattr(module, name, None)
    if not callable(function):
        offered = [
            key
            for key, value in vars(module).items()
            if callable(value) and not key.startswith("_")
        ]
        where, _, _ = factory.rpartition(":")
        what = "has no"
        if function is not None:
            what = f"has a {type(function).__name__}, not a callable,"
        raise ModelError(f"{where} {what} {name!r}", did_you_mean(name, offered))
    call: Callable[..., object] = function
    file = getattr(module, "__file__", None) or ""
    with _placed(Path(file)), guard(f"{factory} failed{_with(args)}"):
        built = call(**args)
    if not isinstance(built, nn.Module):
        what = f"{factory} returned a {type(built).__name__}, not a torch.nn.Module"
        raise ModelError(
            what, "the factory builds the model and returns it; weights come from checkpoint = …"
        )
    return built


@contextmanager
def _placed(path: Path) -> Iterator[None]:
    """Add to an error the last line of the user's code, in the folder of ``path``."""
    try:
        yield
    except ModelError as error:
        where = _last_line(error.__cause__, path.parent.resolve())
        if where is None:
            raise
        raise ModelError(f"{error.what} ({where})", error.fix) from error.__cause__


def _last_line(error: BaseException | None, folder: Path) -> str | None:
    """ "net.py, line 3": where an error last passed through the folder."""
    if error is None:
        return None
    lines = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        lines.append((error.filename, error.lineno))
    for file, line in reversed(lines):
        path = Path(file).resolve()
        if path.is_relative_to(folder) and "site-packages" not in path.parts:
            return f"{path.name}, line {line}"
    return None


@contextmanager
def _importing_from(path: Path) -> Iterator[None]:
    """Make the siblings of ``path`` importable, as they are when it is run as a script.

    A sibling wins over a module of the same name that something else imported (TorchXRayVision, for
    one, leaves a top-level ``model`` behind); that one is put back afterwards, and the siblings are
    forgotten.
    """
    folder = path.parent.resolve()
    names = _siblings(folder) - sys.stdlib_module_names - {"torch", "camlucida"}
    others = {}
    for key, module in _loaded(names).items():
        if not _lies_in(module, folder):
            others[key] = module
            del sys.modules[key]
    before = set(_loaded(names))
    search = list(sys.path)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        # What the file imports may change the filters of the whole process.
        with warnings.catch_warnings():
            yield
    finally:
        sys.path[:] = search
        for key in set(_loaded(names)) - before:
            del sys.modules[key]
        sys.modules.update(others)


def _siblings(folder: Path) -> set[str]:
    """Names that ``import`` finds in a folder."""
    if not folder.is_dir():
        return set()
    names = set()
    for path in folder.iterdir():
        is_package = path.is_dir() and any(path.glob("*.py"))
        if is_package or path.suffix == ".py":
            names.add(path.stem)
    return names


def _loaded(names: set[str]) -> dict[str, ModuleType]:
    """Imported modules with these top-level names."""
    return {key: module for key, module in sys.modules.items() if key.partition(".")[0] in names}


def _lies_in(module: ModuleType, folder: Path) -> bool:
    paths = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    files = [Path(path).resolve() for path in paths if path]
    return any(file.is_relative_to(folder) for file in files)
