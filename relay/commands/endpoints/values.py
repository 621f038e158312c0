"""Settings of an endpoint as they are typed: text in, the value that stands in the file out."""

import re
import tomllib
from collections.abc import Sequence
from typing import Annotated, Any, get_origin

from pydantic import TypeAdapter, ValidationError

from relay.commands.endpoints.nearest import did_you_mean
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable
from relay.contract.references import SecretReference
from relay.endpoints import EndpointSection

# They have options of their own, and are asked for.
_ELSEWHERE = {"provider": "--provider", "secrets": "--secret-env or --secret-file"}
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")


def read_settings(given: Sequence[str]) -> dict[str, object]:
    """Read what ``--set`` said.

    Args:
        given: Texts ``key=value``; a value is TOML, or a text as it is.

    Raises:
        CommandFailed: One is no setting, or cannot have this value.
    """
    settings: dict[str, object] = {}
    for each in given:
        key, sign, text = each.partition("=")
        if not sign:
            raise _wrong(f"--set takes key=value, and not {printable(each, 80)}.")
        settings[key.strip()] = _read_setting(key.strip(), text.strip())
    return settings


def read_value(key: str, text: str) -> object:
    """Read a value as it is typed: a list with commas, the place of a secret, or a text.

    Raises:
        ValueError: The setting cannot have it; the message does not repeat it.
    """
    kind = EndpointSection.model_fields[key].annotation
    value: object = text
    if kind == SecretReference | None:
        value = read_place(text)
    elif get_origin(kind) is tuple:
        value = [part.strip() for part in text.split(",") if part.strip()]
    check_value(key, value)
    return value


def read_place(text: str) -> dict[str, str]:
    """Read where a secret is: the path of a file, or the name of a variable.

    Raises:
        ValueError: It is neither, and most likely the secret itself, so it is not repeated.
    """
    if text.startswith(("/", "./", "../")):
        if not text.isprintable():
            raise ValueError("a path has no control characters")
        return {"file": text}
    if _VARIABLE.fullmatch(text):
        return {"env": text}
    raise ValueError(
        "the name of a variable, such as MY_SECRET, or the path of a file, such as /etc/relay/my."
        "secret; the secret itself is never given here"
    )


def check_value(key: str, value: object) -> None:
    """Judge a value by itself; what goes together is judged with the whole file.

    Raises:
        ValueError: What was expected instead.
    """
    field = EndpointSection.model_fields[key]
    # What its metadata say is known only here, and mypy knows `Annotated` as a form of writing.
    kind: Any = Annotated.__class_getitem__((field.annotation, *field.metadata, None))  # type: ignore[attr-defined]
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise ValueError(first["msg"].removeprefix("Value error, ")) from None


def _read_setting(key: str, text: str) -> object:
    if key in _ELSEWHERE:
        raise _wrong(f"{key} is given by {_ELSEWHERE[key]}, and not by --set.")
    if key not in EndpointSection.model_fields:
        raise _wrong(
            f"An endpoint has no setting {printable(key, 80)}."
            f"{did_you_mean(key, EndpointSection.model_fields)}"
        )
    value = _toml(text)
    try:
        if value is not None:
            check_value(key, value)
            return value
    except ValueError as fault:
        # An id of digits alone is a text all the same.
        if not isinstance(value, int | float):
            raise _wrong(f"{key}: {printable(fault)}") from None
    try:
        return read_value(key, text)
    except ValueError as fault:
        raise _wrong(f"{key}: {printable(fault)}") from None


def _toml(text: str) -> object:
    """Read a text as TOML; none where it is a plain text."""
    try:
        read = tomllib.loads(f"_ = {text}")
    except (ValueError, RecursionError):
        return None
    return read["_"] if read.keys() == {"_"} else None


def _wrong(message: str) -> CommandFailed:
    return CommandFailed(message, exit_code=WRONG_USAGE)
