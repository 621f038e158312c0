"""Kinds of senders, as data: one file each.

A name comes in, a checked `Provider` goes out. An endpoint of a sender that has no file here is
described in the configuration by the same words.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from pydantic import TypeAdapter

from relay.provider import Provider

SUFFIX = ".toml"

_adapter: list[TypeAdapter[Provider]] = []


class Presets(Mapping[str, Provider]):
    """The presets by name, each read when it is first asked for."""

    def __getitem__(self, name: str) -> Provider:
        if name not in _names():
            raise KeyError(name)
        return _read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())

    def __contains__(self, name: object) -> bool:
        return name in _names()


PROVIDERS = Presets()


@cache
def _names() -> list[str]:
    found = (file.name for file in files(__name__).iterdir())
    return sorted(name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX))


@cache
def _read(name: str) -> Provider:
    text = (files(__name__) / f"{name}{SUFFIX}").read_text("utf-8")
    given = tomllib.loads(text)
    scheme = {"family": "signature", **given.pop("scheme")}
    return _checking().validate_python({"name": name, "scheme": scheme, **given})


def _checking() -> TypeAdapter[Provider]:
    # Made once, and only where a preset is read: it takes longer than reading many.
    if not _adapter:
        _adapter.append(TypeAdapter(Provider))
    return _adapter[0]
