"""Imports point inwards only, and heavy packages are imported where they are used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "camlucida"
CORE = {
    *("errors", "registry", "ops", "geometry", "types", "targets", "capture", "probe", "layers"),
    *("modelstate", "texts", "methods", "families", "engine", "explanation", "outputs"),
}
SHELL = {"figures", "report", "systems", "job", "demo", "benchmark", "cli", "web", "__main__"}
FILES = sorted(ROOT.rglob("*.py"))


def part(path: Path) -> str:
    """``methods`` of src/camlucida/methods/cam.py, ``ops`` of src/camlucida/ops.py."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """What a file imports when it is itself imported: not inside functions, not for type checkers."""
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names if node.module == "camlucida"}
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            pending += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_inwards(path):
    found = imports(path)
    outside = {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names) - {"camlucida"}
    own = {name.split(".")[1] for name in found if name.startswith("camlucida.")} - {"__version__"}
    assert not outside & {"torchvision", "timm", "torchxrayvision", "segmentation_models_pytorch"}
    if part(path) in CORE:
        assert outside <= {"torch", "numpy"}
        assert own <= CORE
    if part(path) not in SHELL:
        assert "matplotlib" not in outside
        assert not own & SHELL
    if part(path) != "web":
        assert not outside & {"fastapi", "starlette", "uvicorn"}


def test_importing_the_package_does_not_import_torch():
    code = "import sys, camlucida; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
