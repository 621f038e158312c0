"""An endpoint's public URL in, out come those that its sender may know it by."""

from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOSTS = ("host", "x-forwarded-host", "x-original-host")


def urls(public: str, name: str, headers: Mapping[str, str]) -> Iterator[str]:
    """Give URLs that may have been signed, each once.

    Args:
        public: The endpoint's ``public_url``; may be empty.
        name: Of the endpoint, the last part of the path at which the relay takes it.
        headers: Of the request, for the host that it was sent to.
    """
    bases = [public, *_of_hosts(public, name, headers)]
    found = (other for base in bases if base for other in (base, *_others(base)))
    for url in dict.fromkeys(found):
        if url != public:
            yield url


def _of_hosts(public: str, name: str, headers: Mapping[str, str]) -> Iterator[str]:
    path = _split(public).path
    for header in _HOSTS:
        host = headers.get(header, "").split(",")[0].strip()
        if host and len(host) < 256:
            yield f"https://{host}/webhooks/{name}"
            yield f"https://{host}{path}"


def _others(url: str) -> Iterator[str]:
    """Write it with the other scheme, another end of the path, with and without a port."""
    for changed in (url, _flipped(url)):
        yield changed
        yield changed.rstrip("/")
        yield f"{changed.rstrip('/')}/"
        yield _with_port(changed)
        yield _without_port(changed)
        yield _other_www(changed)
        yield _lower(changed)


def _flipped(url: str) -> str:
    scheme, colon, rest = url.partition("://")
    return f"{'http' if scheme == 'https' else 'https'}{colon}{rest}"


def _with_port(url: str) -> str:
    parts = _split(url)
    if ":" in parts.netloc:
        return url
    port = _DEFAULT_PORTS.get(parts.scheme, 443)
    return parts._replace(netloc=f"{parts.netloc}:{port}").geturl()


def _without_port(url: str) -> str:
    parts = _split(url)
    return parts._replace(netloc=parts.netloc.partition(":")[0]).geturl()


def _other_www(url: str) -> str:
    parts = _split(url)
    host = parts.netloc
    other = host.removeprefix("www.") if host.startswith("www.") else f"www.{host}"
    return parts._replace(netloc=other).geturl()


def _lower(url: str) -> str:
    parts = _split(url)
    return parts._replace(netloc=parts.netloc.lower()).geturl()


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")
