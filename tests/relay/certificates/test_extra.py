"""What the extra `asymmetric` brings is loaded only where it is needed."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "relay.app",
        "relay.certificates.confirm",
        "relay.certificates.lifetime",
        "relay.certificates.roots",
        "relay.verify.sns",
        "relay.verify.paypal",
    ],
)
def test_a_gateway_without_the_extra_starts(module: str) -> None:
    """No module loads it when it is imported itself."""
    code = f"import sys; sys.modules['cryptography'] = None; import {module}"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, timeout=60
    )

    assert done.stderr == b""
    assert done.returncode == 0
