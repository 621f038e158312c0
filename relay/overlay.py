"""What an endpoint's table says, laid over what its preset says: two descriptions in, one out.

Nothing is read from a delivery here, and nothing of a preset is changed.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from relay.provider import Choice, Places, Provider, Texts, texts
from relay.scheme import Scheme
from relay.template import NUMBER, parse_template

# Of what stands in an entry with a place of its own, so that a name of it would cut a path.
_FIELD = re.compile(r"[^.{}\[\]|,]{1,128}")
# Where an outermost key or field stands that a sender may call otherwise.
_NAMED_SOURCES = frozenset({"body", "content", "form"})


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OwnPlaces(Places):
    """What an endpoint's table says, also where it says what would be so without a preset.

    Args:
        said: The names that stand in the table.
    """

    said: frozenset[str] = frozenset()


def with_what_was_said(given: object, handler: Callable[[object], Places | None]) -> Places | None:
    """Validate a table of places, and remember which names stand in it.

    Args:
        given: As it stands in the configuration.
        handler: Validates it.
    """
    places = handler(given)
    if places is None or not isinstance(given, dict):
        return places
    values: dict[str, Any] = {each.name: getattr(places, each.name) for each in fields(Places)}
    return OwnPlaces(**values, said=frozenset(given))


def laid_over(preset: Places, own: Places | None) -> Places:
    """Take from an endpoint's table what it says, and the rest from the preset."""
    if not isinstance(own, OwnPlaces):
        return preset
    said: dict[str, Any] = {name: getattr(own, name) for name in own.said}
    if "id" in said:
        # It would do nothing for the types of which the preset knows a better one.
        said = {"ids": {}, **said}
    return replace(preset, **said)


def called(places: Places, types: Mapping[str, str]) -> Places:
    """Call types otherwise, but for those to which the endpoint's table gives a name itself."""
    return replace(places, type_names={**types, **places.type_names})


def renamed(places: Places, names: Mapping[str, str]) -> Places:
    """Look for outermost keys of a body, or fields of a form, under the names they were given.

    Args:
        places: Where the values stand as the sender calls them.
        names: What each is called instead.
    """
    if not names:
        return places

    def of(given: Texts) -> Texts:
        return tuple(_renamed_text(text, names) for text in texts(given))

    return replace(
        places,
        id=of(places.id),
        ids={name: of(given) for name, given in places.ids.items()},
        type=of(places.type),
        account=of(places.account),
        time=of(places.time),
    )


def usable_names(places: Places) -> list[str]:
    """Name the keys and fields of which a new name would change anything."""
    cut = map(_cut, places.places)
    return sorted({key for source, key, _ in cut if source in _NAMED_SOURCES})


def check_choice(provider: Provider, choice: Choice) -> None:
    """Refuse a setting by which an operator says what nobody chooses at this kind of sender.

    Raises:
        ValueError: It would do nothing.
    """
    if choice not in provider.chosen:
        raise ValueError(
            f"{choice} does nothing here: nobody chooses that at {provider.name}, and its preset "
            "knows it"
        )


def check_renamed(places: Places, names: Mapping[str, str]) -> None:
    """Refuse new names that change nothing, or cannot be told from a path.

    Raises:
        ValueError: The first fault.
    """
    usable = usable_names(places)
    for key, name in names.items():
        if key not in usable:
            raise ValueError(
                f"renamed: no place uses {key!r}, so that does nothing; those in use are "
                f"{', '.join(usable)}"
            )
        if not _FIELD.fullmatch(name):
            raise ValueError(f"renamed: {name!r} is no name of a field: it has no . , | {{ }} [ ]")
    if len(set(names.values())) < len(names):
        raise ValueError("renamed gives two fields the same name")


def check_types_as(provider: Provider, word: str) -> None:
    """Refuse other names for types that the preset has not.

    Raises:
        ValueError: It has none of that word.
    """
    if word not in provider.types_as:
        known = ", ".join(f'"{each}"' for each in provider.types_as)
        raise ValueError(
            f"types_as is none of {known}"
            if known
            else f"types_as does nothing here: {provider.name} has no other names for its types"
        )


def check_unkept(scheme: Scheme, places: Places, kept: tuple[str, ...]) -> None:
    """Refuse a secret in the head of a request at a place that would be kept with every event.

    Args:
        scheme: Says where the secret stands, if that comes as it is.
        places: Where the values of an event stand, which are kept.
        kept: Headers that are.

    Raises:
        ValueError: Whoever may read the events could read the secret.
    """
    place = getattr(scheme, "place", "")
    source, _, name = place.partition(".")
    if (source == "header" and name in kept) or (
        source != "body" and place in {each.removesuffix(NUMBER) for each in places.places}
    ):
        raise ValueError(
            f"token.place is {place}, which is kept with every event; the secret stands at a place "
            "of its own"
        )


def _renamed_text(text: str, names: Mapping[str, str]) -> str:
    template = parse_template(text)
    first, *literals = template.literals
    places = (_renamed_place(place, names) for place in template.places)
    pairs = zip(places, literals, strict=True)
    return first + "".join(f"{{{place}}}{literal}" for place, literal in pairs)


def _renamed_place(place: str, names: Mapping[str, str]) -> str:
    source, key, rest = _cut(place)
    if source not in _NAMED_SOURCES:
        return place
    return f"{source}.{names.get(key, key)}{rest}"


def _cut(place: str) -> tuple[str, str, str]:
    """Cut a place into its source, the outermost key, and what follows that."""
    source, _, path = place.partition(".")
    key = re.split(r"[.|\[]", path, maxsplit=1)[0]
    return source, key, path[len(key) :]
