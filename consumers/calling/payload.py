"""Body in, the user's own type out: a struct, a model, a dataclass or a typed dictionary.

The decoder is made once, at start. Where a body does not fit, the place in it is told, and
nothing that stands there.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from types import UnionType
from typing import Annotated, Any, Protocol, Union, get_args, get_origin, is_typeddict

import msgspec

from consumers.calling.open_struct import OpenStruct
from consumers.event import Event
from consumers.outcome import GiveUp

# So much of what a model says about one body.
MAX_COMPLAINTS = 3

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])


class InvalidPayload(GiveUp):
    """The body does not fit what the handler takes; trying again would not help.

    Args:
        message: What is wrong; may quote the body.
        place: Where, as ``$.payload.text``; names nothing that is not declared.
    """

    reason = "invalid_payload"

    def __init__(self, message: str, place: str) -> None:
        super().__init__(message)
        self.place = place


class _Misfit(Exception):
    """What does not fit, each as a text and a place below the payload."""

    def __init__(self, complaints: list[tuple[str, str]]) -> None:
        super().__init__()
        self.complaints = complaints


class _Form(Protocol):
    """Makes a user's type of JSON, or of what JSON was parsed to."""

    def decode(self, raw: bytes | msgspec.Raw) -> Any: ...  # noqa: ANN401 - a user's type, or what is made of it
    def convert(self, value: Any) -> Any: ...  # noqa: ANN401 - a user's type, or what is made of it


def is_payload(kind: object) -> bool:
    """Tell whether a type is one that a body can be decoded to."""
    origin = get_origin(kind)
    if origin in {Union, UnionType}:
        return all(is_payload(each) for each in get_args(kind) if each is not type(None))
    if origin is Annotated:
        return is_payload(get_args(kind)[0])
    found = origin or kind
    return isinstance(found, type) and (
        issubclass(found, msgspec.Struct)
        or is_dataclass(found)
        or is_typeddict(found)
        or _is_model(found)
    )


def decoder(kind: Any, pointer: str | None = None) -> Callable[[Event], Any]:  # noqa: ANN401 - a user's type, or what is made of it
    """Make what decodes the bodies for one handler.

    Args:
        kind: For which `is_payload` holds.
        pointer: Which part of the body, as a JSON pointer; none for the whole.

    Returns:
        A function of the event that raises `InvalidPayload`.

    Raises:
        ValueError: The pointer is none, or the type holds what cannot be decoded.

    Source: RFC 6901.
    """
    keys = [] if pointer is None else parse_pointer(pointer)
    try:
        form = _form_of(kind)
    except Exception as error:
        said = str(error).partition("\n")[0]
        raise ValueError(f"{type(error).__name__}: {said}") from error

    def decode(event: Event) -> Any:  # noqa: ANN401 - a user's type, or what is made of it
        try:
            return _decoded(event.unpacked(), keys, form)
        except _Misfit as misfit:
            start = _place_of(keys)
            texts = [f"{text} at {start}{place}" for text, place in misfit.complaints]
            raise InvalidPayload("; ".join(texts), start + misfit.complaints[0][1]) from None
        except (ValueError, RecursionError) as error:
            raise InvalidPayload(f"the body is not JSON: {error}", "$") from None

    return decode


def _decoded(raw: bytes, keys: list[str], form: _Form) -> Any:  # noqa: ANN401 - a user's type, or what is made of it
    try:
        return form.decode(_raw_at(raw, keys))
    except msgspec.DecodeError:
        # Half an emoji, as senders leave it when they cut a text, is JSON to Python only.
        return form.convert(_value_at(json.loads(raw), keys))


def parse_pointer(pointer: object) -> list[str]:
    """Read a JSON pointer.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise ValueError(f'{pointer!r} is no JSON pointer: write it as "/payload"')
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]


class _Struct:
    """Whatever msgspec decodes."""

    def __init__(self, kind: Any) -> None:  # noqa: ANN401 - a user's type, or what is made of it
        self._decoder = msgspec.json.Decoder(kind)
        self._kind = kind

    def decode(self, raw: bytes | msgspec.Raw) -> Any:  # noqa: ANN401 - a user's type, or what is made of it
        try:
            return self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            raise _misfit(error) from None

    def convert(self, value: Any) -> Any:  # noqa: ANN401 - a user's type, or what is made of it
        try:
            return msgspec.convert(value, self._kind)
        except msgspec.ValidationError as error:
            raise _misfit(error) from None


class _Open(_Struct):
    """A struct that keeps what it does not know, or null where that may come too."""

    def __init__(self, kind: Any, struct: type[OpenStruct]) -> None:  # noqa: ANN401 - a user's type, or what is made of it
        super().__init__(kind)  # refuses a union with what could not be told from the struct
        self._open = struct

    def decode(self, raw: bytes | msgspec.Raw) -> Any:  # noqa: ANN401 - a user's type, or what is made of it
        return self.convert(msgspec.json.decode(raw))

    def convert(self, value: Any) -> Any:  # noqa: ANN401 - a user's type, or what is made of it
        if value is None:
            return super().convert(value)
        try:
            return self._open.from_json(value)
        except msgspec.ValidationError as error:
            raise _misfit(error) from None


def _form_of(kind: Any) -> _Form:  # noqa: ANN401 - a user's type, or what is made of it
    members = list(_members(kind))
    if any(map(_is_model, members)):
        return _Model(kind)
    for each in members:
        if isinstance(each, type) and issubclass(each, OpenStruct):
            return _Open(kind, each)
    return _Struct(kind)


def _misfit(error: msgspec.ValidationError) -> _Misfit:
    text, _, place = str(error).partition(" - at `$")
    return _Misfit([(text, place.rstrip("`"))])


class _Model:
    """Whatever holds a model of pydantic's."""

    def __init__(self, kind: Any) -> None:  # noqa: ANN401 - a user's type, or what is made of it
        from pydantic import TypeAdapter  # noqa: PLC0415 - slow to load, and few need it

        self._adapter = TypeAdapter[Any](kind)
        # Else what a model names and nobody knows would be said at the first event.
        self._adapter.rebuild(raise_errors=True)
        self._names = frozenset(_property_names(self._adapter))

    def decode(self, raw: bytes | msgspec.Raw) -> Any:  # noqa: ANN401 - a user's type, or what is made of it
        return self._checked(self._adapter.validate_json, bytes(raw))

    def convert(self, value: Any) -> Any:  # noqa: ANN401 - a user's type, or what is made of it
        return self._checked(self._adapter.validate_python, value)

    def _checked(self, validate: Callable[[Any], Any], value: Any) -> Any:  # noqa: ANN401 - a user's type, or what is made of it
        from pydantic import ValidationError  # noqa: PLC0415 - loaded by now

        try:
            return validate(value)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            complaints = [(each["msg"], self._place(each["loc"])) for each in found]
            raise _Misfit(complaints[:MAX_COMPLAINTS]) from None

    def _place(self, path: tuple[int | str, ...]) -> str:
        """Write a path; a key that is not declared is the sender's, and stays unsaid."""
        return "".join(f".{key}" if key in self._names else "[...]" for key in path)


def _property_names(adapter: Any) -> Iterator[str]:  # noqa: ANN401 - a user's type, or what is made of it
    try:
        rest = [adapter.json_schema()]
    except Exception:  # noqa: BLE001 - a type without a schema can still validate
        return
    while rest:
        node = rest.pop()
        if isinstance(node, dict):
            properties = node.get("properties")
            yield from properties if isinstance(properties, dict) else ()
            rest += node.values()
        elif isinstance(node, list):
            rest += node


def _is_model(kind: object) -> bool:
    # Told without loading pydantic: its models and its dataclasses carry this.
    return hasattr(kind, "__pydantic_validator__")


def _members(kind: object) -> Iterator[object]:
    if get_origin(kind) in {Union, UnionType, Annotated}:
        for each in get_args(kind):
            yield from _members(each)
    else:
        yield kind


def _raw_at(raw: bytes, keys: list[str]) -> bytes | msgspec.Raw:
    """Find a part of a body without parsing the rest into objects."""
    found: bytes | msgspec.Raw = raw
    for place, key in enumerate(keys):
        try:
            found = _raw_member(found, key)
        except (msgspec.ValidationError, LookupError):
            raise _absent(keys[:place]) from None
    return found


def _raw_member(raw: bytes | msgspec.Raw, key: str) -> msgspec.Raw:
    try:
        members = _object.decode(raw)
    except msgspec.ValidationError:
        return _array.decode(raw)[_index(key)]
    return members[key]


def _value_at(value: Any, keys: list[str]) -> Any:  # noqa: ANN401 - a user's type, or what is made of it
    for place, key in enumerate(keys):
        try:
            value = value[_index(key) if isinstance(value, list) else key]
        except (LookupError, TypeError):
            raise _absent(keys[:place]) from None
    return value


def _index(key: str) -> int:
    if not (key.isascii() and key.isdigit()):
        raise LookupError(key)
    return int(key)


def _absent(keys: list[str]) -> InvalidPayload:
    where = _place_of(keys)
    return InvalidPayload(f"what payload_at names is not there, under {where}", where)


def _place_of(keys: list[str]) -> str:
    return ".".join(("$", *keys))
