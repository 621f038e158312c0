"""A JSON object in, a struct out that keeps what it does not know; and back, with nothing lost.

msgspec itself drops a name that a struct does not declare, and refuses the whole object for one
odd value. What somebody else sends gains names and odd values at any time.
"""

import json
from collections.abc import Callable
from functools import cache
from types import UnionType
from typing import Any, NamedTuple, Self, Union, cast, get_args, get_origin

import msgspec

# A name in JSON that begins so is none of the sender's, where a struct is written by msgspec alone.
OURS = "$"


# JSON's plain types, in msgspec's words.
_NAMES: dict[type, str] = {
    str: "str",
    bool: "bool",
    int: "int",
    float: "float",
    type(None): "null",
}


class OpenStruct(msgspec.Struct, kw_only=True, omit_defaults=True, eq=False):
    """A JSON object of which some fields are known.

    A field without a default must be there and fit. Any other takes what fits it; what does not,
    such as a number for a text, leaves the field at its default, and stays in `extra` under the
    field's name. A subclass declares fields by their names in JSON, and says ``kw_only=True``.

    Made by `from_json`, and by that as a handler's payload. Where msgspec makes it by itself, as a
    part of a struct of your own, an odd value is refused, and `extra` stays empty.

    Args:
        extra: All that no field holds, as plain JSON: unknown names, and values that do not fit.
    """

    extra: dict[str, Any] = msgspec.field(default_factory=dict, name=f"{OURS}extra")
    # Fields that came with just their default, such as null: else they would not be written again.
    _given: frozenset[str] = msgspec.field(default=frozenset(), name=f"{OURS}given")

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Make one of what JSON was parsed to.

        Args:
            value: Plain JSON; it is not changed.

        Raises:
            msgspec.ValidationError: It is no object, or a field without a default is not there or
                does not fit. The text names fields and types, and never a value.
        """
        extra = dict(_object(value))
        held: dict[str, Any] = {}
        given: set[str] = set()
        for field in _fields_of(cls):
            if field.key not in extra:
                if field.required:
                    raise msgspec.ValidationError(f"Object missing required field `{field.key}`")
                continue
            try:
                made = field.make(extra[field.key])
            except msgspec.ValidationError as error:
                if field.required:
                    raise _below(field.key, error) from None
                continue
            del extra[field.key]
            held[field.name] = made
            if not field.required and made == field.default:
                given.add(field.name)
        return cls(**held, extra=extra, _given=frozenset(given))

    def to_json(self) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Give the object as plain JSON: with all that came, and what was replaced since."""
        plain = dict(self.extra)
        for field in _fields_of(type(self)):
            value = getattr(self, field.name)
            if field.required or value != field.default or field.name in self._given:
                plain[field.key] = _plain(value)
        return plain

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OpenStruct) or type(self) is not type(other):
            return NotImplemented
        names = [field.name for field in _fields_of(type(self))]
        return self.extra == other.extra and all(
            getattr(self, name) == getattr(other, name) for name in names
        )

    def __ne__(self, other: object) -> bool:
        return not self == other  # msgspec's own asks whether it is the same object

    # It can be changed, and equals what holds the same; Python says so by this, and mypy does not
    # know it.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Name what is there and quote none of it: this may end in a log."""
        names = [
            field.name
            for field in _fields_of(type(self))
            if field.required or getattr(self, field.name) != field.default
        ]
        more = f"; {len(self.extra)} more" if self.extra else ""
        return f"<{type(self).__name__}: {', '.join(names)}{more}>"


def encode(value: OpenStruct) -> bytes:
    """Write it as JSON, with all that it does not know.

    Args:
        value: Made by `OpenStruct.from_json`, or changed since by `msgspec.structs.replace`.
    """
    plain = value.to_json()
    try:
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # Half an emoji, as senders leave it when they cut a text, can be written as \ud83d only.
        return json.dumps(plain, separators=(",", ":")).encode()


class _Field(NamedTuple):
    name: str
    key: str
    required: bool
    default: Any
    make: Callable[[Any], Any]


@cache
def _fields_of(kind: type[OpenStruct]) -> tuple[_Field, ...]:
    return tuple(
        _Field(each.name, each.encode_name, each.required, _default_of(each), _maker(each.type))
        for each in msgspec.structs.fields(kind)
        if not each.encode_name.startswith(OURS)
    )


def _default_of(field: msgspec.structs.FieldInfo) -> Any:  # noqa: ANN401 - a field's own type
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _maker(kind: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - an annotation is any value
    """Find what makes a field's value of plain JSON; it raises msgspec.ValidationError."""
    members = set(get_args(kind)) if get_origin(kind) in {Union, UnionType} else {kind}
    if members <= set(_NAMES):
        return _checker(members)
    inner = members - {type(None)}
    if len(inner) > 1:
        return lambda value: msgspec.convert(value, kind)
    make = _part_maker(inner.pop())
    if type(None) not in members:
        return make
    return lambda value: None if value is None else make(value)


def _part_maker(kind: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - an annotation is any value
    if _is_open(kind):
        return cast("type[OpenStruct]", kind).from_json
    if get_origin(kind) is list and _is_open(get_args(kind)[0]):
        return _list_maker(get_args(kind)[0])
    # Not converted, which would copy all that is below.
    if kind is Any:
        return lambda value: value
    if get_origin(kind) is dict:
        return _object
    return lambda value: msgspec.convert(value, kind)


def _checker(kinds: set[type]) -> Callable[[Any], Any]:
    """Make what takes values of some plain types; several times as quick as converting them."""
    wanted = " | ".join(sorted(_NAMES[kind] for kind in kinds))

    def check(value: object) -> object:
        if type(value) not in kinds:
            raise msgspec.ValidationError(f"Expected `{wanted}`, got `{_name_of(value)}`")
        return value

    return check


def _is_open(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, OpenStruct)


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise msgspec.ValidationError(f"Expected `object`, got `{_name_of(value)}`")
    return value


def _list_maker(kind: type[OpenStruct]) -> Callable[[Any], list[OpenStruct]]:
    def make(value: object) -> list[OpenStruct]:
        if not isinstance(value, list):
            raise msgspec.ValidationError(f"Expected `array`, got `{_name_of(value)}`")
        return [kind.from_json(each) for each in value]

    return make


def _plain(value: Any) -> Any:  # noqa: ANN401 - a field's own type
    if isinstance(value, OpenStruct):
        return value.to_json()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def _below(key: str, error: msgspec.ValidationError) -> msgspec.ValidationError:
    """Put a name before the place that an error tells, in msgspec's own form."""
    text, _, place = str(error).partition(" - at `$")
    return msgspec.ValidationError(f"{text} - at `$.{key}{place.rstrip('`')}`")


def _name_of(value: object) -> str:
    return _NAMES.get(type(value), "array" if isinstance(value, list) else "object")
