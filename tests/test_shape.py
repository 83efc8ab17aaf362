"""The shape of the code: no comprehension in another, functions of few branches, short files."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

SOURCE = REPOSITORY / "src/camlucida"
BRANCHES, LINES = 12, 400
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
BRANCHING = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.Assert),
    ast.comprehension,
)


def branches(function: ast.AST) -> int:
    """Cyclomatic complexity: 1, and 1 for each branch, loop, handler and further condition."""
    count = 1
    for node in ast.walk(function):
        count += isinstance(node, BRANCHING)
        if isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
    return count


def is_nested(comprehension: ast.AST) -> bool:
    """Whether it has two ``for``, or another comprehension in it."""
    inner = [node for node in ast.walk(comprehension) if isinstance(node, COMPREHENSIONS)]
    return len(inner) > 1 or len(inner[0].generators) > 1


def faults(text: str, path: object) -> Iterator[str]:
    """A line for each breach of the rules in a file."""
    lines = len(text.splitlines())
    if lines > LINES:
        yield f"{path}: {lines} lines, more than {LINES}: split it"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, COMPREHENSIONS) and is_nested(node):
            yield f"{path}:{node.lineno}: a comprehension in another: write a loop or a function"
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and branches(node) > BRANCHES:
            count = branches(node)
            yield f"{path}:{node.lineno}: {node.name} has {count} branches, more than {BRANCHES}"


def test_the_code_keeps_its_shape():
    breaches = []
    for path in sorted(SOURCE.rglob("*.py")):
        breaches += faults(path.read_text(), path.relative_to(REPOSITORY))
    assert not breaches, "\n".join(breaches)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[x for y in z for x in y]", "a.py:1: a comprehension in another"),
        ("a = 1\n{k: [x for x in v] for k, v in z}", "a.py:2: a comprehension in another"),
        ("any(all(y) for y in [x for x in z])", "a.py:1: a comprehension in another"),
        ("\n" * 401, "a.py: 401 lines"),
        ("async def f(a):\n" + "  if a: pass\n" * 12, "a.py:1: f has 13 branches"),
        ("def f(a):\n  return " + " or ".join("a" * 13), "a.py:1: f has 13 branches"),
    ],
)
def test_a_breach_is_named_with_its_line(text, fault):
    (line,) = faults(text, Path("a.py"))
    assert line.startswith(fault)


@pytest.mark.parametrize(
    "text",
    ["[f(x) for x in [1]]", "\n" * 400, "def f(a):\n" + "  if a: pass\n" * 11],
)
def test_what_is_within_the_rules_is_no_breach(text):
    assert not list(faults(text, "a.py"))
