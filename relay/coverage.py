"""What a signature must cover to prove anything: the places of its template in, a fault out."""

import re
from collections.abc import Collection

_HEADER = re.compile(r"[a-z0-9-]+")
# None of it is written otherwise in a URL.
_PARAMETER = re.compile(r"[A-Za-z0-9._~-]+")


def check_header(name: str) -> None:
    """Refuse what is no header's name.

    Raises:
        ValueError: It is none, or not in lower case.
    """
    if not _HEADER.fullmatch(name):
        raise ValueError(f"{name!r} is no header's name in lower case")


def check_token(place: str) -> None:
    """Refuse a place at which no token is looked for.

    Raises:
        ValueError: It is no header, no parameter of the query, and no path in the body.
    """
    source, _, name = place.partition(".")
    if source == "header":
        check_header(name)
    elif source == "query":
        check_parameter(name)
    elif source != "body" or not name:
        # Without it: it may be the token itself.
        raise ValueError("place is no place of a token: header.<name>, query.<name> or body.<path>")


def check_parameter(name: str) -> None:
    """Refuse what is no name of a parameter that stands in a URL as it is.

    Raises:
        ValueError: It is none.
    """
    if not _PARAMETER.fullmatch(name):
        raise ValueError("the name of a parameter has letters, digits, and . _ ~ - only")


def check_places(places: Collection[str]) -> None:
    """Refuse a template that knows a place which is none, or has no place.

    Raises:
        ValueError: It does.
    """
    if unknown := [place for place in places if not _is_signable(place)]:
        raise ValueError(f"signed knows no {{{unknown[0]}}}")
    if not places:
        raise ValueError("signed covers nothing of a delivery, so one signature fits them all")


def check_time(where: str, name: str, places: Collection[str]) -> None:
    """Refuse a timestamp that the template leaves out: anyone could write another.

    Args:
        where: ``field``, ``header`` or ``body``.
        name: Of the field or header, or the path.
        places: Of the template.

    Raises:
        ValueError: It does.
    """
    covering = "body" if where == "body" else "timestamp"
    if {covering, f"{where}.{name}"}.isdisjoint(places):
        raise ValueError(
            "timestamp stands where signed does not cover it, so anyone could write another; "
            "without it a delivery is judged by its signature alone"
        )


def _is_signable(place: str) -> bool:
    if place.startswith("header."):
        return bool(_HEADER.fullmatch(place.removeprefix("header.")))
    return place in {"body", "timestamp", "url", "decoded-url", "method"}
