"""Who goes to the store: the URL, with what the settings beside it say, as one URL.

Raw settings and the environment come in. Everything after this knows one URL, password included,
so that no part of the programs has to know where a password came from.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, ValidationError

from relay.contract.address import Address, WrongAddress, read_address, write_address
from relay.contract.references import ReadFile, SecretReference, read_secret

DEFAULT_REDIS_URL = "redis://localhost:6379/0"
_FROM = "(it comes from --redis-url, RELAY_REDIS__URL, [redis] url in relay.toml, or REDIS_URL)"
_OF_STORE = ("username", "password")
_OF_SENTINELS = ("sentinel_username", "sentinel_password")


def _check_url(url: SecretStr) -> SecretStr:
    """Refuse what no client could be made of; the message never repeats the URL."""
    try:
        read_address(url.get_secret_value())
    except WrongAddress as fault:
        raise ValueError(f"{fault} {_FROM}") from None
    return url


class RedisSection(BaseModel):
    """``[redis]``: where the store is, and who goes there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[SecretStr, AfterValidator(_check_url)] = SecretStr(DEFAULT_REDIS_URL)
    username: str | None = None
    password: SecretReference | None = None
    # Sentinels have users of their own.
    sentinel_username: str | None = None
    sentinel_password: SecretReference | None = None


def put_into_url(
    merged: dict[str, Any], environ: Mapping[str, str], read_file: ReadFile
) -> list[str]:
    """Put what the settings say of users and passwords into the URL.

    Args:
        merged: Settings in the form of the file; changed where nothing is wrong.
        environ: Variables that hold secrets.
        read_file: Gives the text of a file that holds one.

    Returns:
        A sentence for each fault, none of which names a value.
    """
    try:
        section = RedisSection.model_validate(merged.get("redis", {}))
    except ValidationError:
        return []  # it is told with the other settings
    said: dict[str, Any] = {}
    faults: list[str] = []
    address = read_address(section.url.get_secret_value())
    for name in (*_OF_STORE, *_OF_SENTINELS):
        try:
            text = _read(getattr(section, name), environ, read_file)
            if text is not None:
                _check_place(name, address)
                said[name] = text
        except ValueError as fault:
            faults.append(f"redis.{name}: {fault}")
    if said and not faults:
        merged["redis"] = {"url": write_address(replace(address, **said))}
    return faults


def left_by_url(under: Mapping[str, Any], upper: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take out of settings who goes to a store that settings above them do not mean.

    A URL that says by itself who goes there is complete, wherever users and passwords for
    another one may stand: `relay dev` in a directory with the file of a production gateway.

    Args:
        under: Settings in the form of the file.
        upper: Those that win over them.
    """
    redis, above = under.get("redis"), upper.get("redis")
    url = above.get("url") if isinstance(above, Mapping) else None
    if not isinstance(redis, Mapping) or not isinstance(url, str):
        return under
    try:
        address = read_address(url)
    except WrongAddress:
        return under
    names = (*_OF_STORE, *_OF_SENTINELS)
    if all(getattr(address, name) is None for name in names):
        return under
    kept = {name: value for name, value in redis.items() if name not in names}
    return {**under, "redis": kept}


def _read(
    said: SecretReference | str | None, environ: Mapping[str, str], read_file: ReadFile
) -> str | None:
    text = read_secret(said, environ, read_file) if isinstance(said, SecretReference) else said
    try:
        (text or "").encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("it is not text in UTF-8") from None
    return text


def _check_place(name: str, address: Address) -> None:
    if name in _OF_SENTINELS and address.kind != "sentinel":
        raise ValueError("only a URL that begins with redis+sentinel leads to sentinels")
    if getattr(address, name) is not None:
        raise ValueError("the URL says it too; take one of them away")
