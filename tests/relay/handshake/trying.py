"""A gateway with an endpoint for each sender that has a handshake, and those senders' signatures.

The signatures are written from the senders' descriptions and not with our code.
"""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.integration.gateways import Road, Running, running
from tests.servers import Server

SECRET = "signing_secret_of_the_sender_0001"
VERIFY_TOKEN = "verify_token_of_the_operator"
ORIGIN = "eventemitter.example.com"
DISCORD = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
# Nobody listens there: what is answered all the same has asked no store.
NO_STORE = "redis://127.0.0.1:1/0"

SENDERS = ("slack", "zoom", "meta", "dropbox", "discord", "x", "okta", "microsoft-graph")
BRINGING = ("notion", "asana")

Headers = dict[str, str]


def endpoints(directory: Path) -> dict[str, dict[str, Any]]:
    """Give ``[endpoints]``, each called as its sender; secrets are files in the directory."""
    public = DISCORD.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    (directory / "secret").write_text(f"{SECRET}\n")
    (directory / "discord").write_text(f"{public}\n")
    (directory / "token").write_text(f"{VERIFY_TOKEN}\n")
    secret, token = {"file": str(directory / "secret")}, {"file": str(directory / "token")}
    made: dict[str, dict[str, Any]] = {
        name: {"provider": name, "secrets": [secret]} for name in SENDERS
    }
    made["discord"]["secrets"] = [{"file": str(directory / "discord")}]
    made["meta"]["verify_token"] = token
    made["cloudevents"] = {"provider": "cloudevents", "secrets": [secret], "origins": [ORIGIN]}
    for name in BRINGING:
        made[name] = {"provider": name, "secrets": [{"file": str(directory / f"{name}.secret")}]}
    made["trello"] = {"provider": "trello", "secrets": [secret], "public_url": "https://h/t"}
    made["intercom"] = {"provider": "intercom", "secrets": [secret]}
    made["unipile"] = {"provider": "unipile", "secrets": [secret]}
    return made


@asynccontextmanager
async def trying(
    directory: Path,
    server: Server | None = None,
    *,
    road: Road = "served",
    **files: tuple[str, ...],
) -> AsyncIterator[Running]:
    """Run such a gateway within the block.

    Args:
        directory: Of the secrets' files.
        server: Its store; none by default.
        road: As ``relay serve`` listens, or embedded in another program.
        files: Names of the files with the secrets of an endpoint, where it has others.
    """
    tables: dict[str, Any] = endpoints(directory)
    for name, names in files.items():
        tables[name]["secrets"] = [{"file": str(directory / each)} for each in names]
    url = NO_STORE if server is None else server.url
    toml = {"endpoints": tables, "append_deadline_seconds": 2.0 if server else 0.05}
    store = cast("Server", SimpleNamespace(url=url))
    async with running(store, toml, road=road) as gateway:
        yield gateway


def digest(content: bytes, secret: str = SECRET) -> bytes:
    """Give an HMAC-SHA256."""
    return hmac.new(secret.encode(), content, hashlib.sha256).digest()


def by_time(header: str, secret: str = SECRET) -> Callable[[bytes], Headers]:
    """Sign as Slack and Zoom do: ``v0:<time>:<body>``."""
    signature, timestamp = f"{header}-signature", f"{header}-request-timestamp"

    def sign(body: bytes) -> Headers:
        at = str(int(time.time()))
        mac = digest(b"v0:%s:%s" % (at.encode(), body), secret)
        return {signature: f"v0={mac.hex()}", timestamp: at}

    return sign


def by_key(body: bytes) -> Headers:
    """Sign as Discord does."""
    at = str(int(time.time()))
    signature = DISCORD.sign(at.encode() + body).hex()
    return {"x-signature-ed25519": signature, "x-signature-timestamp": at}


def notion(body: bytes, secret: str) -> Headers:
    """Sign as Notion does."""
    return {"x-notion-signature": f"sha256={digest(body, secret).hex()}"}


slack, zoom = by_time("x-slack"), by_time("x-zm")


def written(value: object) -> bytes:
    """Write JSON."""
    return json.dumps(value).encode()
