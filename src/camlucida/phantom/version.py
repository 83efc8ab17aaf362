"""Versions of the code that draws films: hashes that change when a film may change.

The records of the packaged models hold the version under which their training films were drawn.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Collection
from functools import cache
from pathlib import Path

CHEST_FILES = (
    "anatomy.py",
    "bones.py",
    "exposure.py",
    "findings.py",
    "generator.py",
    "marker.py",
    "scene.py",
    "texture.py",
)
"""Code that draws chest films, relative to this folder."""
TRIAL_FILES = (*CHEST_FILES, "lesions.py", "trial.py")
"""Code that draws the films of the benchmark."""
MAMMOGRAM_FILES = (
    "anatomy.py",
    "breast.py",
    "exposure.py",
    "mammogram.py",
    "marker.py",
    "texture.py",
)
"""Code that draws mammograms."""
COHORT_FILES = (*CHEST_FILES, "visit.py", "cohorts/distribution.py")
"""Code that draws the films of the regression and the segmentation cohort."""


@cache
def generator_version(files: Collection[str]) -> str:
    """SHA-256 of the syntax trees of files of this folder, without what cannot change a film.

    Left out are comments, docstrings, layout, imports, annotations and the names of local
    variables. Whoever changes one of the files otherwise proves that the films are the same and
    stamps the records anew, or trains anew.

    Args:
        files: CHEST_FILES, TRIAL_FILES, MAMMOGRAM_FILES or COHORT_FILES.

    Returns:
        64 hexadecimal digits.

    >>> len(generator_version(CHEST_FILES))
    64
    """
    digest = hashlib.sha256()
    for name in files:
        source = (Path(__file__).parent / name).read_text("utf-8")
        digest.update(canonical_code(source).encode())
    return digest.hexdigest()


def canonical_code(source: str) -> str:
    """Python code in one layout, without what cannot change its results.

    >>> print(canonical_code("def f(x: int):  # square\\n    y = x*x\\n    return y"))
    def f(x):
        v0 = x * x
        return v0
    """
    return ast.unparse(_Canonical().visit(ast.parse(source)))


class _Canonical(ast.NodeTransformer):
    """Removes imports, docstrings and annotations; numbers the local variables of functions."""

    def visit_Import(self, node: ast.Import) -> None:
        """The module of a name does not change what the code does."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """As for ``import``."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """A bare constant is a docstring."""
        return None if isinstance(node.value, ast.Constant) else node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """A parameter keeps its name: callers may use it."""
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        """``x: T = 1`` counts as ``x = 1``; a field without a default keeps its name alone."""
        if node.value is None:
            return ast.Expr(node.target)
        return ast.Assign([node.target], node.value, lineno=node.lineno)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Parameters keep their names; every other variable that is assigned gets a number."""
        self.generic_visit(node)
        node.returns = None
        parts = list(ast.walk(node))
        parameters = {part.arg for part in parts if isinstance(part, ast.arg)}
        names = [part for part in parts if isinstance(part, ast.Name)]
        stored = dict.fromkeys(name.id for name in names if isinstance(name.ctx, ast.Store))
        local = [name for name in stored if name not in parameters]
        numbered = {name: f"v{number}" for number, name in enumerate(local)}
        for name in names:
            name.id = numbered.get(name.id, name.id)
        return node
