"""What the page on handshakes says of presets."""

import re
from pathlib import Path

from relay.providers import PROVIDERS

PAGE = Path(__file__).parents[3] / "docs/how-to/answer-handshakes.md"


def test_every_sender_with_a_handshake_is_on_the_page() -> None:
    """And no other, so that nobody waits for an answer that does not come."""
    rows = [row for row in PAGE.read_text("utf-8").splitlines() if row.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row.split("|")[1])}

    assert named == {name for name, preset in PROVIDERS.items() if preset.handshakes}
