"""Imports point downwards only, no files import each other in a circle, and heavy packages are
imported where they are used."""

import ast
import graphlib
import subprocess
import sys
from functools import cache

from tests.support.paths import REPOSITORY

ROOT = REPOSITORY / "src" / "camlucida"
ROOMS = [
    *("core", "io", "models", "attribution", "metrics", "datasets", "runs", "evaluation"),
    *("analysis", "figures", "report", "phantom", "workflows", "integrations", "web", "cli"),
]
"""From the ground up: a room imports itself and the rooms before it."""
FILES = sorted(ROOT.rglob("*.py"))
BRIDGES = {
    "attribution/explanation.py": {"camlucida.figures.", "camlucida.report.viewer.widget"},
}
"""The one file with upward imports, by name in functions: what a notebook shows."""


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(path):
    """Names of modules and objects that a file imports, and whether it does so at import time."""
    found, pending = [], [(parsed(path), True)]
    while pending:
        node, at_import = pending.pop()
        if isinstance(node, ast.Import):
            found += [(alias.name, at_import) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(f"{node.module}.{alias.name}", at_import) for alias in node.names]
        elif isinstance(node, ast.If) and name_of(node.test) == "TYPE_CHECKING":
            pending += [(child, at_import) for child in node.orelse]
        else:
            inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            pending += [(child, at_import and not inside) for child in blocks(node)]
    return found


def blocks(node):
    """Statements in a statement; an import is one, so that no expression needs a look."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        yield from getattr(node, name, ())


def name_of(function):
    return getattr(function, "attr", getattr(function, "id", ""))


def called_with_names(path, function):
    """Literal beginnings of the package's modules that a file hands to a function."""
    for node in ast.walk(parsed(path)):
        if not isinstance(node, ast.Call) or name_of(node.func) != function:
            continue
        strings = [part for part in ast.walk(node) if isinstance(part, ast.Constant)]
        yield from (str(part.value) for part in strings if "camlucida" in str(part.value))


def test_every_room_is_listed():
    assert {room_of(path) for path in FILES} - {"__init__", "__main__"} == set(ROOMS)


def offenders(fault):
    """Each file with a fault, by its name → the fault."""
    faults = {path.relative_to(ROOT).as_posix(): fault(path) for path in FILES}
    return {name: found for name, found in faults.items() if found}


def test_imports_point_downwards():
    def upwards(path):
        room = room_of(path)
        above = set(ROOMS[ROOMS.index(room) + 1 :]) if room in ROOMS else set()
        used = {name.split(".")[1] for name, _ in imported(path) if name.startswith("camlucida.")}
        return used & above

    assert offenders(upwards) == {}


def test_modules_of_the_package_are_imported_by_name_at_bridges_alone():
    assert offenders(lambda path: set(called_with_names(path, "import_module"))) == BRIDGES


def test_heavy_packages_are_imported_where_they_are_used():
    heavy = {
        *("torchvision", "timm", "torchxrayvision", "segmentation_models_pytorch"),
        *("transformers", "onnx", "onnx2torch", "onnxruntime"),
        *("lightning", "pytorch_lightning", "mlflow", "xarray", "monai", "fiftyone"),
        "sklearn",
    }
    late = {"matplotlib", "jinja2", "typer", "fastapi", "starlette"}
    enough = {"core": {"torch", "numpy"}, "attribution": {"torch", "numpy", "PIL"}}

    def too_early(path):
        room = room_of(path)
        at_import = {name.partition(".")[0] for name, now in imported(path) if now}
        outside = at_import - set(sys.stdlib_module_names) - {"camlucida"}
        refused = heavy | late if room in ROOMS[: ROOMS.index("figures")] else heavy
        return outside & refused | outside - enough.get(room, outside)

    assert offenders(too_early) == {}


def test_no_files_import_each_other_in_a_circle():
    modules = {module_of(path): path for path in FILES}
    graph = {}
    for module, path in modules.items():
        names = [name for name, _ in imported(path) if name.startswith("camlucida.")]
        found = {name if name in modules else name.rpartition(".")[0] for name in names}
        graph[module] = found & set(modules) - {module, "camlucida"}
    list(graphlib.TopologicalSorter(graph).static_order())


def module_of(path):
    parts = ("camlucida", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


def test_importing_the_package_does_not_import_torch():
    code = "import sys, camlucida; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
