"""The programs that a benchmark needs and this project does not bring along.

What is missing is named by the Debian package that has it; nothing is installed from here.
"""

import shutil
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from bench.failures import Missing

# Tool -> Debian package, and one of the places where it may be. A bare name is looked for on PATH.
_PLACES = {
    "wrk": ("wrk", ("wrk",)),
    "redis-server": ("redis-server", ("redis-server",)),
    "taskset": ("util-linux", ("taskset",)),
    "nginx": ("nginx-extras", ("nginx", "/usr/sbin/nginx")),
    "nginx's Lua module": (
        "nginx-extras",
        ("/usr/lib/nginx/modules/ngx_http_lua_module.so",),
    ),
    "nginx.redis": ("lua-nginx-redis", ("/usr/share/lua/5.1/nginx/redis.lua",)),
    "cjson": (
        "lua-cjson",
        (
            "/usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so",
            "/usr/lib/aarch64-linux-gnu/lua/5.1/cjson.so",
        ),
    ),
}
BASE = ("wrk", "redis-server", "taskset")
NGINX = ("nginx", "nginx's Lua module", "nginx.redis", "cjson")
FASTAPI = ("fastapi", "uvicorn", "httptools")


def find(tool: str) -> str | None:
    """Give where a tool is, or none."""
    for place in _PLACES[tool][1]:
        found = shutil.which(place) or (place if Path(place).is_file() else None)
        if found:
            return found
    return None


def path_of(tool: str) -> str:
    """Give where a tool is that `require` has found.

    Raises:
        FileNotFoundError: It is gone.
    """
    found = find(tool)
    if found is None:
        raise FileNotFoundError(_advice(tool))
    return found


def require(tools: Iterable[str], modules: Iterable[str] = ()) -> None:
    """Return if everything is there.

    Args:
        tools: Names of the table above.
        modules: Python packages of the extra ``bench``.

    Raises:
        Missing: The message names all that is not, and how it is installed.
    """
    said = [_advice(tool) for tool in tools if find(tool) is None]
    if absent := [module for module in modules if find_spec(module) is None]:
        said.append(
            f"{', '.join(absent)} missing: run it by make, or: "
            ".venv/bin/python -m pip install --editable '.[bench]'"
        )
    if said:
        raise Missing("\n".join(said))


def _advice(tool: str) -> str:
    return f"{tool} is missing (Debian: apt-get install {_PLACES[tool][0]})"
