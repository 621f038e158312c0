"""Where a command reaches an endpoint: what ``--url`` says in, the endpoint's whole URL out."""

from urllib.parse import urlsplit

from relay.contract.explain import WRONG_USAGE, CommandFailed


def endpoint_url(base: str, endpoint: str, option: str = "--url") -> str:
    """Give an endpoint's whole URL.

    Args:
        base: Where the gateway is, or the whole URL already, also a public one through a proxy,
            which may give it any path that ends with the endpoint's name.
        endpoint: The endpoint's name.
        option: What said the base.

    Raises:
        CommandFailed: It is no URL that can be sent to.
    """
    parts = urlsplit(base)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise CommandFailed(
            f"{option} must begin with http:// or https://, for example http://127.0.0.1:8080, and "
            "have no ? or #",
            exit_code=WRONG_USAGE,
        )
    bare = base.rstrip("/")
    return bare if bare.endswith(f"/{endpoint}") else f"{bare}/webhooks/{endpoint}"
