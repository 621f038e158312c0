"""Whether an endpoint is as it was wanted, however Unipile writes that.

Pure: what there is and what was asked come in, what differs goes out.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from relay.unipile.shapes import UnipileEndpoint

_PORTS = {"http": 80, "https": 443}


def differing(endpoint: UnipileEndpoint, wanted: Mapping[str, object]) -> list[str]:
    """Name what is not as it was wanted.

    The order of a list counts for nothing, and nor does whether an empty one is none.

    Args:
        endpoint: As Unipile has it.
        wanted: Some of its fields, as they were sent.
    """
    return [
        name for name, value in wanted.items() if not _is_same(name, getattr(endpoint, name), value)
    ]


def is_same_url(one: str, other: str) -> bool:
    """Tell whether two URLs are the same but for how scheme, host, port and root are written.

    Args:
        one: What Unipile says.
        other: What was asked of it.

    Source: RFC 3986, section 6.2.
    """
    return one == other or _parts(one) == _parts(other)


def _is_same(name: str, there: object, wanted: object) -> bool:
    if isinstance(there, tuple) or isinstance(wanted, list | tuple):
        return sorted(set(_listed(there))) == sorted(set(_listed(wanted)))
    if name == "url":
        return is_same_url(str(there), str(wanted))
    return (there or None) == (wanted or None)


def _listed(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else []


def _parts(text: str) -> object:
    try:
        url = urlsplit(text)
        port = url.port or _PORTS.get(url.scheme)
    except ValueError:
        return text
    return url.scheme, url.username, url.hostname, port, url.path or "/", url.query, url.fragment
