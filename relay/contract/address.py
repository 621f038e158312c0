"""Reads where the store is, and who goes there, from a URL.

Pure: text comes in, one frozen object goes out, or a sentence that says what is wrong and never
repeats the text, since a password may stand in it.

Source: RFC 3986, section 3; redis-py, "Connecting"; docs/adr/0029.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from relay.contract import tls

Kind = Literal["server", "unix", "sentinel", "cluster"]

SERVER_PORT = 6379
SENTINEL_PORT = 26379
SCHEMES: Mapping[str, tuple[Kind, bool]] = {
    "redis": ("server", False),
    "rediss": ("server", True),
    "unix": ("unix", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
FORMS: Mapping[Kind, str] = {
    "server": "redis://[user:password@]host:port/number",
    "unix": "unix://[user:password@]/path/to.sock?db=number",
    "sentinel": "redis+sentinel://[user:password@]host:port,host:port/service/number",
    "cluster": "redis+cluster://[user:password@]host:port,host:port",
}
SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")
# urlsplit does not take several hosts, nor brackets behind the first.
_PARTS = re.compile(
    r"(?P<scheme>[a-z+]+)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class WrongAddress(ValueError):
    """The text is no URL of a store; the message says why and holds none of it."""


class Host(NamedTuple):
    """A machine and a port.

    Args:
        name: A host name or an address; IPv6 without brackets.
        port: 1 to 65535.
    """

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the store is, and who goes there.

    Args:
        kind: One server, a Unix socket, sentinels that know the server, or nodes of a cluster.
        hosts: The server, the sentinels, or some of the nodes; none for a Unix socket.
        path: Of the Unix socket.
        service: What the sentinels call the server.
        db: The number of the database; a cluster has only 0.
        tls: Whether every connection is encrypted, those to sentinels too.
        tls_options: Names that begin with ``ssl_`` and their values as text, sorted.
        username: Who goes there; ``None`` for the default user.
        password: In clear.
        sentinel_username: Who asks the sentinels; they have users of their own.
        sentinel_password: In clear.
    """

    kind: Kind
    hosts: tuple[Host, ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    tls: bool = False
    tls_options: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """Where it leads and not who goes there, for logs."""
        if self.kind == "unix":
            return self.path
        hosts = ",".join(map(str, self.hosts))
        return f"{hosts}/{self.service}" if self.kind == "sentinel" else hosts

    def at(self, host: Host) -> "Address":
        """Give the address of one server that these hosts have told of; who goes is the same."""
        return replace(
            self,
            kind="server",
            hosts=(host,),
            service="",
            sentinel_username=None,
            sentinel_password=None,
        )

    def as_sentinel(self, host: Host) -> "Address":
        """Give the address of one of these sentinels; who asks it is another user."""
        return replace(
            self.at(host),
            db=0,
            username=self.sentinel_username,
            password=self.sentinel_password,
        )


def read_address(url: str) -> Address:
    """Read a URL.

    Args:
        url: Of one of the forms in `FORMS`; special characters of a password are written %XX.

    Raises:
        WrongAddress: It is none, or has an option that could undo what the relay relies on.
    """
    found = _PARTS.fullmatch(url)
    if found is None or found["scheme"].lower() not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise WrongAddress(f"a URL that begins with one of {known} is needed")
    kind, is_tls = SCHEMES[found["scheme"].lower()]
    if _CONTROL.search(url):
        raise _wrong_form(kind)
    user, _, hosts = found["authority"].rpartition("@")
    username, _, password = user.partition(":")
    parts = urlsplit(f"x://y{found['rest']}")
    options = _read_options(parts, kind)
    service, db = _read_path(parts, kind, options.get("db"))
    return Address(
        kind=kind,
        hosts=_read_hosts(hosts, kind),
        path=unquote(parts.path) if kind == "unix" else "",
        service=service,
        db=db,
        tls=is_tls,
        tls_options=_read_tls_options(options, is_tls=is_tls),
        # What is empty is not there, as for every client of Redis.
        username=unquote(username) or None,
        password=unquote(password) or None,
        sentinel_username=options.get("sentinel_username") or None,
        sentinel_password=options.get("sentinel_password") or None,
    )


def write_address(address: Address) -> str:
    """Give the URL of an address, passwords included; reading it gives the same address."""
    scheme = next(name for name, meant in SCHEMES.items() if meant == (address.kind, address.tls))
    query = dict(address.tls_options)
    if address.kind == "unix" and address.db:
        query["db"] = str(address.db)
    for name in SENTINEL_OPTIONS:
        if text := getattr(address, name):
            query[name] = text
    path = {
        "server": f"/{address.db}",
        "unix": quote(address.path),
        "sentinel": f"/{quote(address.service, safe='')}/{address.db}",
        "cluster": "",
    }[address.kind]
    hosts = ",".join(str(Host(quote(name, safe=":"), port)) for name, port in address.hosts)
    options = f"?{urlencode(query)}" if query else ""
    return f"{scheme}://{_write_user(address)}{hosts}{path}{options}"


def _write_user(address: Address) -> str:
    user = quote(address.username or "", safe="")
    if address.password is not None:
        return f"{user}:{quote(address.password, safe='')}@"
    return f"{user}@" if user else ""


def _wrong_form(kind: Kind) -> WrongAddress:
    return WrongAddress(
        f"a URL of the form {FORMS[kind]} is needed, special characters of a password written as "
        "%XX"
    )


def _read_hosts(text: str, kind: Kind) -> tuple[Host, ...]:
    if kind == "unix":
        if text:
            raise _wrong_form(kind)
        return ()
    if kind == "server":
        # Nothing is this machine, as for every client of Redis.
        return (_read_host(text or "localhost", kind, SERVER_PORT),)
    port = SENTINEL_PORT if kind == "sentinel" else SERVER_PORT
    return tuple(_read_host(each, kind, port) for each in text.split(","))


def _read_host(text: str, kind: Kind, default_port: int) -> Host:
    try:
        parts = urlsplit(f"//{text}" if not text.startswith(":") else f"//localhost{text}")
        name, port = unquote(parts.hostname or ""), parts.port
    except ValueError:
        raise _wrong_form(kind) from None
    if not name or port == 0 or any(sign in name for sign in "@,/?# "):
        raise _wrong_form(kind)
    return Host(name, default_port if port is None else port)


def _read_path(parts: SplitResult, kind: Kind, db: str | None) -> tuple[str, int]:
    """Give the service and the number of the database."""
    steps = [unquote(step) for step in parts.path.split("/") if step]
    if kind == "unix":
        if not steps:
            raise _wrong_form(kind)
        return "", _read_number(db or "0", kind)
    service = ""
    if kind == "sentinel":
        if not steps:
            raise WrongAddress(f"the service's name is missing; write {FORMS[kind]}")
        service = steps.pop(0)
    number = _read_number(db or "/".join(steps) or "0", kind)
    if kind == "cluster" and number:
        raise WrongAddress("a cluster has no database but 0")
    return service, number


def _read_number(text: str, kind: Kind) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise _wrong_form(kind)
    return int(text)


def _read_options(parts: SplitResult, kind: Kind) -> dict[str, str]:
    """Give the options by name: no others than those that can do no harm."""
    if parts.fragment:
        raise _wrong_form(kind)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    permitted = ("db", *(SENTINEL_OPTIONS if kind == "sentinel" else ()))
    if any(name not in permitted and not name.startswith(tls.PREFIX) for name in options):
        # redis-py would take any of its settings here, and some undo what we rely on.
        raise WrongAddress(f"a URL with no options but {', '.join(permitted)} and ssl_… is needed")
    return options


def _read_tls_options(options: Mapping[str, str], *, is_tls: bool) -> tuple[tuple[str, str], ...]:
    found = {name: text for name, text in options.items() if name.startswith(tls.PREFIX)}
    if found and not is_tls:
        raise WrongAddress("options ssl_… are only for a URL that begins with rediss")
    try:
        tls.check_tls(found)
    except ValueError as fault:
        raise WrongAddress(str(fault)) from None
    return tuple(sorted(found.items()))
