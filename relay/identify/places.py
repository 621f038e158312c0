"""Where an event says what it is: a provider's `Places` in, the event's own values out."""

import codecs
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from relay.delivery import BLANKS, Delivery
from relay.identify.reading import CUT, Reader, object_of
from relay.provider import Provider, Texts, texts
from relay.template import NUMBER, Template, parse_template

# No sender's form has more, and what has is not looked through.
MAX_FIELDS = 1000


class Around:
    """An object around elements, of which each value is read once for all of them.

    Args:
        data: Its bytes.
    """

    __slots__ = ("_values", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._values: dict[Reader, Any] = {}

    def value(self, reader: Reader) -> Any:  # noqa: ANN401 - of whatever kind it is
        """Give the one value that a reader reads."""
        if reader not in self._values:
            self._values[reader] = reader.read(self.data)[0][0]
        return self._values[reader]


class Surroundings(msgspec.Struct, frozen=True):
    """What an element stands in, where a body was split.

    Args:
        parent: The object that holds the array.
        whole: The body.
    """

    parent: Around
    whole: Around


class Reading(msgspec.Struct, frozen=True):
    """What was read of one event, for all of its places.

    Args:
        delivery: The request.
        data: The event's own bytes, unpacked.
        values: Those of the body's places, in their order.
        surroundings: Of an element.
        form: Its fields, where it is a form and some places are in one.
    """

    delivery: Delivery
    data: bytes
    values: Sequence[Any]
    surroundings: Surroundings
    form: Mapping[str, str]


# Id, if it has a usable one; whether nobody but the sender could have written that; type as sent or
# mapped, of whatever kind it is; account, if that is a usable text; the sender's time, of whatever
# kind; whether the account is signed; type as sent, if it was mapped. A tuple, since each delivery
# makes one.
Found = tuple[str | None, bool, Any, str | None, Any, bool, str | None]

_Get = Callable[[Reading], Any]
# Of a value: what reads it, and whether only the sender can have written that.
_Alternatives = Sequence[tuple[_Get, bool]]
_NOWHERE = Surroundings(Around(b""), Around(b""))
_NO_FORM: Mapping[str, str] = {}


class Finder:
    """Finds the values of one provider's events.

    Args:
        provider: Says where they stand.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        places = provider.event
        self._paths: list[tuple[str, ...]] = []
        self._id = self._alternatives(places.id)
        self._ids = {name: self._alternatives(given) for name, given in places.ids.items()}
        self._type = self._alternatives(places.type)
        self._account = self._alternatives(places.account)
        self._time = self._alternatives(places.time)
        self._names = places.type_names
        self._reader = Reader(self._paths)
        self._reads_forms = any(map(_is_in_form, places.places))
        self._plain = self._plain_places()
        self.id_is_signed = all(
            is_signed for each in (self._id, *self._ids.values()) for _, is_signed in each
        )
        self.type_is_signed = all(is_signed for _, is_signed in self._type)
        # The same for all elements of a body.
        self.id_is_shared = bool(places.id_texts) and not any(
            "{body." in text or "{content." in text for text in places.id_texts
        )
        self.account_is_signed = all(is_signed for _, is_signed in self._account)

    def find(self, delivery: Delivery, data: bytes, surroundings: Surroundings = _NOWHERE) -> Found:
        """Find an event's values.

        Args:
            delivery: The request.
            data: The event's own bytes, unpacked.
            surroundings: Of an element.
        """
        values, mended = self._reader.read(data)
        if self._plain is not None and not mended:
            return self._found_plainly(values, self._plain)
        form = _form_of(data) if self._reads_forms else _NO_FORM
        reading = Reading(delivery, data, values, surroundings, form)
        sent_type = self._first(self._type, reading)[0]
        event_type = self._named(sent_type)
        event_id, id_is_signed = self._first(self._id_of(sent_type), reading)
        account, account_is_signed = self._first(self._account, reading)
        if mended:
            # What the cut went through is no id: two of them could look the same.
            event_id, account = _unless_cut(event_id), _unless_cut(account)
        return (
            _usable_text(event_id),
            id_is_signed,
            event_type,
            _usable_text(account),
            self._first(self._time, reading)[0],
            account_is_signed,
            None if event_type is sent_type else sent_type,
        )

    def _id_of(self, sent_type: object) -> _Alternatives:
        """Say where the id of an event of a type stands."""
        if self._ids and isinstance(sent_type, str):
            return self._ids.get(sent_type, self._id)
        return self._id

    def _named(self, sent_type: object) -> object:
        """Say what a type is called here."""
        if self._names and isinstance(sent_type, str):
            return self._names.get(sent_type, sent_type)
        return sent_type

    def _plain_places(self) -> tuple[int, int, int, int] | None:
        """Give the numbers of the values where each stands under one key of the body, as in most.

        A number behind the last means that the provider has no such value.
        """
        if self._names or self._ids:
            return None
        numbers = []
        for value in ("id", "type", "account", "time"):
            key = self._provider.key_of(value)
            if key is None and getattr(self._provider.event, value):
                return None
            numbers.append(len(self._paths) if key is None else self._paths.index((key,)))
        return numbers[0], numbers[1], numbers[2], numbers[3]

    def _found_plainly(self, values: Sequence[Any], places: tuple[int, int, int, int]) -> Found:
        """Do what `find` does for those, at a third of the cost: most deliveries pass here."""
        event_id, event_type, account, time = places
        every = (*values, None)
        return (
            _usable_text(every[event_id]),
            self.id_is_signed,
            every[event_type],
            _usable_text(every[account]),
            every[time],
            self.account_is_signed,
            None,
        )

    def _first(self, alternatives: _Alternatives, reading: Reading) -> tuple[Any, bool]:
        found = None
        for get, is_signed in alternatives:
            found = get(reading)
            if found is not None and found != "":
                return found, is_signed
        return found, False

    def _alternatives(self, given: Texts) -> _Alternatives:
        templates = [parse_template(text) for text in texts(given)]
        return [
            (self._template(template), all(map(self._is_signed, template.places)))
            for template in templates
        ]

    def _is_signed(self, place: str) -> bool:
        scheme = self._provider.scheme
        source, _, name = place.removesuffix(NUMBER).partition(".")
        if source == "header":
            return name in scheme.signed_headers
        return scheme.signs_url if source == "query" else scheme.signs_values

    def _template(self, template: Template) -> _Get:
        getters = [self._getter(place) for place in template.places]
        if len(getters) == 1 and template.literals == ("", ""):
            return getters[0]
        first, *literals = template.literals

        def get(reading: Reading) -> str | None:
            text = first
            for getter, literal in zip(getters, literals, strict=True):
                value = getter(reading)
                if not isinstance(value, str) or not value:
                    return None
                text += value + literal
            return text

        return get

    def _getter(self, place: str) -> _Get:
        takes_numbers = place.endswith(NUMBER)
        source, _, name = place.removesuffix(NUMBER).partition(".")
        if source == "content":
            get = _content(self._body(name), name)
        else:
            get = self._body(name) if source == "body" else _GETTERS[source](name)
        if not takes_numbers:
            return get
        return lambda reading: _with_numbers(get(reading))

    def _body(self, name: str) -> _Get:
        path = tuple(name.split("."))
        if path not in self._paths:
            self._paths.append(path)
        number = self._paths.index(path)
        return lambda reading: reading.values[number]


@lru_cache(1024)
def finder_of(provider: Provider) -> Finder:
    """Give the one finder of a provider."""
    return Finder(provider)


def _header(name: str) -> _Get:
    return lambda reading: _printed(reading.delivery.headers.get(name, "").strip(BLANKS)) or None


def _query(name: str) -> _Get:
    return lambda reading: _fields(_printed(reading.delivery.query)).get(name)


def _form(name: str) -> _Get:
    field, _, path = name.partition(".")
    reader = Reader([tuple(path.split("."))]) if path else None

    def get(reading: Reading) -> Any:  # noqa: ANN401 - of whatever kind it is
        text = reading.form.get(field)
        return text if reader is None or text is None else reader.read(text.encode())[0][0]

    return get


def _content(in_body: _Get, name: str) -> _Get:
    """Read a value of JSON or a form, where `a.b` is the field `a[b]`, or in JSON in `a`."""
    key, *keys = name.split(".")
    field, in_field = "".join([key, *(f"[{each}]" for each in keys)]), _form(name)

    def get(reading: Reading) -> Any:  # noqa: ANN401 - of whatever kind it is
        if not reading.form:
            return in_body(reading)
        found = reading.form.get(field)
        return in_field(reading) if found is None else found

    return get


def _is_in_form(place: str) -> bool:
    return place.startswith(("form.", "content."))


def _form_of(data: bytes) -> Mapping[str, str]:
    # A BOM or a line's end is of no field: the first or the last one would not be found.
    plain = data.removeprefix(codecs.BOM_UTF8).strip()
    # Told by the body: a header is not signed.
    if plain[:1] in {b"{", b"["}:
        return _NO_FORM
    return _fields(plain.decode("utf-8", "replace"))


def _surrounding(source: str) -> Callable[[str], _Get]:
    def getter(name: str) -> _Get:
        reader = Reader([tuple(name.split("."))])
        if source == "whole":
            return lambda reading: reading.surroundings.whole.value(reader)
        return lambda reading: reading.surroundings.parent.value(reader)

    return getter


def _other_key(name: str) -> _Get:
    known = frozenset(name.split(","))

    def get(reading: Reading) -> str | None:
        return next((key for key in object_of(reading.data) if key not in known), None)

    return get


_GETTERS: dict[str, Callable[[str], _Get]] = {
    "header": _header,
    "query": _query,
    "form": _form,
    "parent": _surrounding("parent"),
    "whole": _surrounding("whole"),
    "other-key": _other_key,
}


def _fields(text: str) -> Mapping[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        return {}


def _printed(value: str) -> str:
    if value.isascii():
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _with_numbers(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _unless_cut(value: object) -> object:
    return None if isinstance(value, str) and CUT in value else value


def _usable_text(value: object) -> str | None:
    """Give a string that is not empty."""
    return value if isinstance(value, str) and value else None
