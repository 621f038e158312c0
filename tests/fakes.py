"""The store in memory: fakeredis, with the three things mended in which it differs for us."""

from functools import partial
from io import BytesIO
from typing import Any

from fakeredis import FakeAsyncRedis, FakeServer
from fakeredis.commands_mixins.scripting_mixin import ScriptingCommandsMixin


def _pcall(self: Any, runtime: Any, expected_globals: set[Any], op: bytes, *args: Any) -> Any:
    """Give a failed command's error to the script as text, as a server does.

    fakeredis hands over a Python object there, which a script cannot join to other text.
    """
    try:
        return self._lua_redis_call(runtime, expected_globals, op, *args)
    except Exception as error:  # noqa: BLE001 - pcall gives every error to the script
        return runtime.table_from({b"err": str(error).encode()})


ScriptingCommandsMixin._lua_redis_pcall = _pcall  # type: ignore[assignment,method-assign]


_get_runtime = ScriptingCommandsMixin._get_server_runtime


def _with_msgpack(self: Any, server: FakeServer) -> Any:
    """Give scripts the library ``cmsgpack``, of which they use `unpack`."""
    runtime = _get_runtime(self, server)
    if b"cmsgpack" not in set(runtime.globals().keys()):
        unpack = partial(_unpack, runtime)
        runtime.globals()[b"cmsgpack"] = runtime.table_from({b"unpack": unpack})
        server._lua_expected_globals.add(b"cmsgpack")  # type: ignore[attr-defined]
    return runtime


def _unpack(runtime: Any, packed: bytes) -> Any:
    """Read one value of MessagePack; text is bytes to a script, and a list a table.

    Source: https://github.com/msgpack/msgpack/blob/master/spec.md
    """
    stream = BytesIO(packed)

    def number(size: int) -> int:
        return int.from_bytes(stream.read(size))

    def table(length: int) -> Any:
        return runtime.table_from([value() for _ in range(length)])

    def value() -> Any:
        head = number(1)
        if head < 0x80:
            return head
        if 0x90 <= head < 0xA0:
            return table(head - 0x90)
        if 0xA0 <= head < 0xC0:
            return stream.read(head - 0xA0)
        sizes = {0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xCC: 1, 0xCD: 2}
        length = number(sizes[head])
        if head in {0xCC, 0xCD}:
            return length
        return table(length) if head in {0xDC, 0xDD} else stream.read(length)

    return value()


ScriptingCommandsMixin._get_server_runtime = _with_msgpack  # type: ignore[method-assign]


_call = ScriptingCommandsMixin._lua_redis_call


def _call_with_pairs(
    self: Any, runtime: Any, expected_globals: set[Any], op: bytes, *args: Any
) -> Any:
    """Give a script the streams of XREADGROUP as a server does: each with its entries, in pairs.

    fakeredis gives names and entries in one row, and an empty one for nothing.
    """
    reply = _call(self, runtime, expected_globals, op, *args)
    if op.upper() != b"XREADGROUP" or not reply:
        return reply
    row = list(reply.values())
    if not row:
        return False
    pairs = zip(row[::2], row[1::2], strict=True)
    return runtime.table_from([runtime.table_from(pair) for pair in pairs])


ScriptingCommandsMixin._lua_redis_call = _call_with_pairs  # type: ignore[assignment,method-assign]


def fake_store(server: FakeServer | None = None) -> FakeAsyncRedis:
    """Make a client of a store in memory.

    Args:
        server: Which store; clients of the same one see the same keys.
    """
    return FakeAsyncRedis(server=server or FakeServer())
