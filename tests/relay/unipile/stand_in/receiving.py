"""A receiver of deliveries that keeps what came, and answers as it is told."""

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Receiver:
    """Answers 200, or what `answers` says next.

    Args:
        url: Where it is.
        came: What was posted: headers and body.
        answers: The next statuses; 0 answers nothing.
        ended: Set when the test is over.
    """

    url: str = ""
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    most_at_once: int = 0

    async def receive(self, request: web.Request) -> web.Response:
        """Take one delivery."""
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.came.append((headers, body))
        status = self.answers.pop(0) if self.answers else 200
        if not status:
            await self.ended.wait()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        # The others get a turn.
        for _ in range(5):
            await asyncio.sleep(0)
        self.at_once -= 1
        headers = {"location": "/elsewhere"} if 300 <= status <= 399 else {}
        return web.Response(status=status or 500, text=f"said {status}", headers=headers)

    @property
    def events(self) -> list[Any]:
        """What came, read."""
        return [json.loads(body) for _, body in self.came]

    @property
    def ids(self) -> list[str]:
        """The ids of the events that came, in their order."""
        return [event["id"] for event in self.events]

    def times(self) -> list[int]:
        """Give the time that each signature names."""
        headers = [headers["unipile-signature"] for headers, _ in self.came]
        return [int(header.partition(",")[0].removeprefix("t=")) for header in headers]

    def are_genuine(self, secret: str) -> list[bool]:
        """Say of each whether it is signed with a secret, by a calculation of our own."""
        found = []
        for headers, body in self.came:
            t, _, v0 = headers["unipile-signature"].removeprefix("t=").partition(",v0=")
            signed = hmac.new(secret.encode(), t.encode() + b"." + body, hashlib.sha256)
            found.append(hmac.compare_digest(signed.hexdigest(), v0))
        return found
