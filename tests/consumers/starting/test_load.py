"""A target as it is typed leads to a Worker, or to one sentence that says why it does not."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers import Worker
from consumers.starting.load import find_worker
from relay.contract.errors import ConfigurationFault


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory that is the current one, and forgets what was imported from it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    # What "." meant to the import system in an earlier test.
    monkeypatch.delitem(sys.path_importer_cache, ".", raising=False)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_a_worker_is_found_in_the_current_directory(here: Path) -> None:
    """By its name, or as `worker` where no name is given."""
    (here / "orders_a.py").write_text(
        "from consumers import Worker\nworker = Worker(group='a')\nother = Worker(group='b')\n"
    )

    assert find_worker("orders_a:other").group == "b"
    assert find_worker("orders_a").group == "a"
    assert isinstance(find_worker("orders_a:worker"), Worker)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("orders_b:absent", "'absent' in orders_b is nothing"),
        ("orders_b:number", "'number' in orders_b is int"),
        ("orders_b:", "'worker' in orders_b is nothing"),
        ("elsewhere:worker", "there is no module 'elsewhere' here"),
        ("elsewhere.inside:worker", "there is no module 'elsewhere.inside' here"),
        ("orders_b.py:worker", "that is a file; write its module: orders_b:NAME"),
        ("orders_b.py", "that is a file; write its module: orders_b:NAME"),
        ("./shop/orders_b.py:worker", "that is a file; write its module: shop.orders_b:NAME"),
        ("shop/orders_b:worker", "that is a file; write its module: shop.orders_b:NAME"),
        ("orders_b:many", "'many' in orders_b is type"),
        ("orders-b:worker", "write MODULE:NAME"),
        ("orders_b:worker:more", "'worker:more' in orders_b is nothing"),
        ("", "write MODULE:NAME"),
        (":worker", "write MODULE:NAME"),
        (".orders_b:worker", "write MODULE:NAME"),
    ],
)
def test_a_target_that_names_no_worker_is_explained(here: Path, target: str, said: str) -> None:
    """One sentence, without a traceback."""
    (here / "orders_b.py").write_text("number = 1\nmany = int\n")

    with pytest.raises(ConfigurationFault) as caught:
        find_worker(target)
    (fault,) = caught.value.faults

    assert said in fault


def test_a_module_that_imports_what_is_absent_keeps_its_own_error(here: Path) -> None:
    """The user's module is there; what it needs is not."""
    (here / "orders_c.py").write_text("import not_installed_anywhere\n")

    with pytest.raises(ConfigurationFault, match=r"not_installed_anywhere.*orders_c\.py:1\)"):
        find_worker("orders_c:worker")


def test_a_mistake_inside_the_module_is_not_taken_for_one_in_the_target(here: Path) -> None:
    """A pattern without a colon is a ValueError too, and its message is the one that helps."""
    (here / "orders_d.py").write_text(
        "from consumers import Worker\nworker = Worker(group='a')\n"
        "worker.on('message.new')(print)\n"
    )

    with pytest.raises(ConfigurationFault, match=r"write endpoint:type.*orders_d\.py:3\)"):
        find_worker("orders_d:worker")


@pytest.mark.parametrize("text", ["def (", "raise RuntimeError('no')", "1 / 0"])
def test_a_broken_module_is_told_with_its_place(here: Path, text: str) -> None:
    """The user's own mistake needs no frames of ours."""
    (here / "orders_e.py").write_text(text)

    with pytest.raises(ConfigurationFault, match=r"importing it failed: \w+Error: .*orders_e\.py"):
        find_worker("orders_e:worker")


def test_what_is_no_python_is_told_with_its_own_place_alone(here: Path) -> None:
    """Where Python read it says nothing."""
    (here / "orders_i.py").write_text("def (")

    with pytest.raises(ConfigurationFault, match=r"SyntaxError: [^()]*\(orders_i\.py, line 1\)$"):
        find_worker("orders_i:worker")


def test_a_module_that_ends_the_program_is_told(here: Path) -> None:
    """A script that runs as soon as it is imported would else end the worker without a word."""
    (here / "orders_f.py").write_text("import sys\nsys.exit(0)\n")

    with pytest.raises(ConfigurationFault, match=r"importing it failed: SystemExit: 0 .*:2\)"):
        find_worker("orders_f:worker")


def test_modules_that_import_each_other_are_told(here: Path) -> None:
    """Python's own words say what is wrong, and the place is the user's."""
    (here / "orders_g.py").write_text("from orders_h import one\nother = 1\n")
    (here / "orders_h.py").write_text("from orders_g import other\none = 1\n")

    with pytest.raises(ConfigurationFault, match=r"ImportError: .*'other'.*orders_h\.py:1\)"):
        find_worker("orders_g:worker")


def test_a_wrong_name_is_answered_with_the_right_one(here: Path) -> None:
    """Most often there is one Worker in a module, under another name."""
    (here / "orders_i.py").write_text("from consumers import Worker\napp = Worker(group='a')\n")

    with pytest.raises(ConfigurationFault, match=r"is nothing, .*; there is app"):
        find_worker("orders_i")
