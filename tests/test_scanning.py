"""What a log must never hold fails the test that logged it, however it came there."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.canaries import CANARIES

ROOT = Path(__file__).parent.parent
# The words come from a module, so that the program's text is no leak by itself.
BEGINS = """
    import logging, subprocess, sys
    import structlog
    from structlog.testing import capture_logs
    from relay.contract.logs import configure_logs
    from tests.canaries import IN_BODY, IN_HEADER, IN_MESSAGE
    from tests.programs import start
    from tests.signing import SECRET

    def run(directory, text):
        program = start(["-c", text], directory, "leaky")
        assert program.process.wait() == 0
"""
LEAKS = {
    "captured": """
        with capture_logs():
            structlog.get_logger("x").warning("leaked_so", field={"deep": [IN_BODY]})
    """,
    "json": """
        configure_logs("json")
        structlog.get_logger("x").bind(held=SECRET).error("leaked_so")
    """,
    "message": """
        structlog.get_logger("x").error("leaked_so", error=ValueError(IN_MESSAGE))
    """,
    "standard library": """
        try:
            raise ValueError(IN_MESSAGE)
        except ValueError:
            logging.getLogger("leaked_so").exception("no")
    """,
    "program": """
        run(tmp_path, f"import sys; print('leaked_so', {IN_HEADER!r}, file=sys.stderr)")
    """,
    "communicate": """
        text = f"import sys; print({IN_HEADER!r}, file=sys.stderr)"
        subprocess.run([sys.executable, "-c", text, "leaked_so"], capture_output=True)
    """,
    "inherited": """
        text = f"import sys; print({IN_BODY!r}, file=sys.stderr)"
        subprocess.Popen([sys.executable, "-c", text]).wait()
    """,
}
FINE = """
    structlog.get_logger("x").error("fine", rows=2)
    print(IN_BODY)
    run(tmp_path, f"print({IN_BODY!r})")
"""


def write_tests(directory: Path) -> None:
    """Write a module with a test for each leak, and one that leaks nothing."""
    tests = [textwrap.dedent(BEGINS)]
    for number, code in enumerate([*LEAKS.values(), FINE]):
        body = textwrap.indent(textwrap.dedent(code), "    ")
        tests.append(f"def test_{number}(tmp_path):\n{body}")
    (directory / "test_leaks.py").write_text("\n".join(tests))


@pytest.mark.parametrize("options", [[], ["-p", "xdist", "-n", "2"]], ids=["one process", "xdist"])
def test_every_leak_fails_its_own_test_and_names_what_leaked(
    tmp_path: Path, options: list[str]
) -> None:
    """Logged in this process or by a program; what is printed as a result is no leak."""
    write_tests(tmp_path)
    plugins = ["-p", "tests.scanning"]
    places = ["-c", "/dev/null", f"--rootdir={tmp_path}", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *options, *places],
        cwd=ROOT,
        # Each process would load all that is installed.
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert f"{len(LEAKS)} error" in done.stdout, done.stdout
    assert f"{len(LEAKS) + 1} passed" in done.stdout
    for name in CANARIES:
        assert f"holds the {name}" in done.stdout
    assert done.stdout.count("leaked_so") >= len(LEAKS) - 1
