"""The store in memory: fakeredis, with the one thing mended in which it differs for us."""

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


def fake_store(server: FakeServer | None = None) -> FakeAsyncRedis:
    """Make a client of a store in memory.

    Args:
        server: Which store; clients of the same one see the same keys.
    """
    return FakeAsyncRedis(server=server or FakeServer())
