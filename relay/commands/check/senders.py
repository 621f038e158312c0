"""Judges whether endpoints have what their senders ask for before they send."""

from collections.abc import Iterator, Mapping

from relay.endpoints import EndpointSection
from relay.finding import Finding


def judge_senders(sections: Mapping[str, EndpointSection]) -> list[Finding]:
    """Name what an endpoint can do without, and its sender most likely will not.

    Args:
        sections: Tables of endpoints by name.
    """
    return [
        Finding("warn", "configuration", f"endpoints.{name}: {found}", advice)
        for name, section in sections.items()
        for found, advice in _missing(name, section)
    ]


def _missing(name: str, section: EndpointSection) -> Iterator[tuple[str, str]]:
    provider = section.kind
    if provider.takes_token and section.verify_token is None:
        yield (
            f"{provider.title} shows a verify token first, and is refused without verify_token",
            'verify_token = { env = "VARIABLE" }, and the same text at the sender',
        )
    if provider.takes_origin and not section.origins:
        yield (
            f"{provider.title} may ask whether it may send, and is refused without origins",
            'origins = ["<host that the sender names>"]',
        )
    if provider.brings_secret and not section.secrets:
        yield (
            f"{provider.title} brings its secret itself, and there is no file for it",
            f'secrets = [{{ file = "/var/lib/relay/{name}.secret" }}], then `relay secrets accept`',
        )
