"""The pages on Unipile's events: the code of one runs, and the other names what there is."""

import re
from pathlib import Path

import pytest

import consumers.unipile
from consumers.calling.open_struct import _fields_of
from consumers.unipile import KNOWN, OpenStruct
from tests.consumers.testing.test_plugin import python

DOCS = Path(__file__).parent.parent.parent.parent / "docs"
GUIDE = (DOCS / "how-to" / "unipile-events.md").read_text("utf-8")
REFERENCE = (DOCS / "reference" / "unipile-events.md").read_text("utf-8")
STRUCTS = [
    value
    for name in consumers.unipile.__all__
    if isinstance(value := getattr(consumers.unipile, name), type)
    and issubclass(value, OpenStruct)
    and value is not OpenStruct
]


def test_the_code_of_the_guide_runs(tmp_path: Path) -> None:
    """Its blocks make up a project whose tests pass."""
    files: dict[str, str] = {"conftest.py": 'pytest_plugins = ["consumers.testing.plugin"]\n'}
    for name, code in re.findall(r"```python\n# (\S+\.py)[^\n]*\n(.*?)```", GUIDE, re.DOTALL):
        files[name] = files.get(name, "") + code
    for name, code in files.items():
        (tmp_path / name).write_text(code)
    done = python("-m", "pytest", "-q", "-o", "asyncio_mode=auto", cwd=tmp_path)

    assert re.search(r"^7 passed", done.stdout, re.MULTILINE), done.stdout + done.stderr


def test_every_type_stands_in_the_reference_with_its_struct_and_certainty() -> None:
    """In order, and no other."""
    rows = re.findall(r"^\| `([a-z_.]+)` \| `(\w+)` \| (\w+) \|$", REFERENCE, re.MULTILINE)

    assert rows == [
        (name, known.payload.__name__, known.certainty) for name, known in sorted(KNOWN.items())
    ]


def test_every_name_stands_in_the_reference() -> None:
    """All that can be imported."""
    assert [n for n in consumers.unipile.__all__ if not re.search(rf"`{n}\b", REFERENCE)] == []


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: str(struct.__name__))
def test_every_field_stands_in_the_reference(struct: type[OpenStruct]) -> None:
    """And whether it must be there."""
    fields = _fields_of(struct)
    must = ", ".join(f"`{each.name}`" for each in fields if each.required) or "–"
    may = ", ".join(f"`{each.name}`" for each in fields if not each.required)

    assert f"| `{struct.__name__}` | {must} | {may} |" in REFERENCE


def test_every_certainty_is_explained() -> None:
    """Each word that a type may have."""
    words = {known.certainty for known in KNOWN.values()}
    rows = set(re.findall(r"^\| (\w+) \| ", REFERENCE, re.MULTILINE))

    assert words - rows == set()
