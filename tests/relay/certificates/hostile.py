"""URLs that look like a certificate's, and lead elsewhere, or might be read in two ways."""

GOOD_SNS = (
    "https://sns.us-east-1.amazonaws.com"
    "/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem"
)
GOOD_PAYPAL = (
    "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77"
)


def hostile(good: str) -> list[str]:
    """Bend a good URL in every way that a parser may overlook.

    Args:
        good: ``https``, a host, a path with at least one letter.
    """
    host, slash, path = good.removeprefix("https://").partition("/")
    return [
        *_schemes(f"{host}/{path}"),
        *_hosts(host, slash + path),
        *_users_and_ports(host, slash + path),
        *_paths(host, path),
        *_spellings(good, host, slash + path),
    ]


def _schemes(rest: str) -> list[str]:
    return [
        f"http://{rest}",
        f"HTTPS://{rest}",
        f"https:{rest}",
        f"https:/{rest}",
        f"https:///{rest}",
        f"https:\\\\{rest}",
        f"ftp://{rest}",
        f"file://{rest}",
        f"//{rest}",
        rest,
    ]


def _hosts(host: str, path: str) -> list[str]:
    first, _, domain = host.partition(".")
    return [
        f"https://{other}{path}"
        for other in (
            f"{host}.evil.example",
            f"{host}.",
            f"evil.example/{host}",
            f"evil-{host}",
            f"evil.{host}",
            f".{host}",
            domain,
            f"{first}{domain}",
            host.upper(),
            host.replace(".", "..", 1),
            host.replace(".", "%2e", 1),
            host.replace(".", "\u3002", 1),
            host.replace("a", "\u0430", 1),
            host.replace("amazonaws.com", "amazonaws.com.evil").replace("paypal", "paypa1"),
            f"{host}\x00.evil.example",
            f"{host}%00.evil.example",
            f"{host}\\.evil.example",
            f"[{host}]",
            "127.0.0.1",
            "[::1]",
            "169.254.169.254",
            "2130706433",
            "localhost",
            "",
        )
    ]


def _users_and_ports(host: str, path: str) -> list[str]:
    return [
        f"https://user@{host}{path}",
        f"https://user:secret@{host}{path}",
        f"https://@{host}{path}",
        f"https://{host}@evil.example{path}",
        f"https://{host}:443@evil.example{path}",
        f"https://evil.example\\@{host}{path}",
        f"https://evil.example#@{host}{path}",
        f"https://{host}:443{path}",
        f"https://{host}:8443{path}",
        f"https://{host}:{path}",
    ]


def _paths(host: str, path: str) -> list[str]:
    return [
        f"https://{host}{other}"
        for other in (
            "",
            "/",
            f"//{path}",
            f"/./{path}",
            f"/x/../{path}",
            f"/%2e%2e/{path}",
            f"\\{path}",
            f"/{path}/",
            f"/{path}?",
            f"/{path}?redirect=https://evil.example",
            f"/{path}#",
            f"/{path}#x",
            f"/{path};x",
            f"/{path}%00",
            f"/{path}%0d%0aHost:%20evil.example",
            f"/{path}/../../evil",
            f"/{path.replace('e', '%65', 1)}",
            f"/{path.replace('-', '/', 1)}",
            f"/{path}.evil",
            f"/{path.upper()}",
            f"/{path.partition('-')[0]}-.pem",
            "/evil.pem",
        )
    ]


def _spellings(good: str, host: str, path: str) -> list[str]:
    return [
        f" {good}",
        f"{good} ",
        f"{good}\n",
        f"{good}\r\nHost: evil.example",
        f"\t{good}",
        f"https://{host}\t{path}",
        f"https://{host[:5]}\n{host[5:]}{path}",
        f"{good}\x00",
        f"{good}{good}",
        f"{good}\u00e9",
        f"{good}\ud800",
        "",
        "https://",
    ]
