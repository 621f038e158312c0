"""Contender C: the same work as most teams would write it, with FastAPI and redis-py.

Verification, id and type from the JSON, dedupe and XADD by one script call per delivery over a
pool of connections. The entry has the fields of the relay's contract.
"""

import hashlib
import hmac
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from redis.asyncio import Redis
from redis.exceptions import RedisError

TOLERANCE_SECONDS = 300
WINDOW_MS = 72 * 3600 * 1000

secret = os.environ["BENCH_SECRET"].encode()
redis = Redis.from_url(os.environ["BENCH_REDIS_URL"])
append = redis.register_script((Path(__file__).parent / "append.lua").read_text("utf-8"))


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Close the pool at the end."""
    yield
    await redis.aclose()


app = FastAPI(lifespan=lifespan)


def verify(header: str | None, body: bytes) -> None:
    """Check the signature ``t=…,v0=…`` over ``timestamp.body``."""
    parts = dict(part.split("=", 1) for part in (header or "").split(",") if "=" in part)
    timestamp = parts.get("t", "")
    signed = timestamp.encode() + b"." + body
    expected = hmac.new(secret, signed, hashlib.sha256).hexdigest()
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        raise HTTPException(401, "signature too old or malformed")
    if not hmac.compare_digest(expected, parts.get("v0", "")):
        raise HTTPException(401, "signature does not match")


def fields(event: dict[str, Any], request: Request, body: bytes) -> list[str | bytes]:
    """Lay out an entry."""
    headers = request.headers
    content_type, agent = headers.get("content-type", ""), headers.get("user-agent", "")
    kept = json.dumps({"content-type": content_type, "user-agent": agent}, separators=(",", ":"))
    found = {
        "specversion": "1.0",
        "id": event["id"],
        "source": "/webhooks/unipile",
        "type": event["type"],
        "time": event["created_at"],
        "datacontenttype": content_type,
        "account": event["account_id"],
        "headers": kept,
        "receivedat": str(int(time.time() * 1000)),
        "assurance": "body",
        "relayversion": "1",
        "data": body,
    }
    return [text for pair in found.items() for text in pair]


@app.post("/webhooks/unipile")
async def receive(request: Request) -> dict[str, bool]:
    """Take one delivery."""
    body = await request.body()
    verify(request.headers.get("unipile-signature"), body)
    event = json.loads(body)
    keys = [f"events:{{unipile}}:{event['type']}", f"events:{{unipile}}@seen:{event['id']}"]
    try:
        known, _ = await append(keys=keys, args=[WINDOW_MS, *fields(event, request, body)])
    except RedisError as error:
        raise HTTPException(503, "store unavailable", {"retry-after": "2"}) from error
    return {"received": True, "duplicate": True} if known else {"received": True}
