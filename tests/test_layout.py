"""The code keeps to its ceilings: small functions, small modules."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    path
    for folder in ("relay", "consumers", "bench", "examples")
    for path in ROOT.glob(f"{folder}/**/*.py")
)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_has_more_than_50_lines_and_no_module_more_than_400(path: Path) -> None:
    """What is longer has two meanings."""
    text = path.read_text("utf-8")
    long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.body[0].lineno >= 50
    ]

    assert long == []
    assert len(text.splitlines()) <= 400
