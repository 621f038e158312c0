"""Reads what a URL says of TLS, in the words of redis-py.

Options of a URL come in as text, what its encrypted connections take goes out. Files that are
named are not opened here: they may be replaced while the program runs.

Source: redis-py, `SSLConnection`; Python `ssl.TLSVersion`.
"""

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from redis.connection import parse_url

PREFIX = "ssl_"
# Those of redis-py that text can give.
OPTIONS = frozenset(
    {
        "ssl_ca_certs",
        "ssl_ca_data",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_ciphers",
        "ssl_exclude_verify_flags",
        "ssl_include_verify_flags",
        "ssl_keyfile",
        "ssl_min_version",
        "ssl_password",
    }
)
CERTIFICATE_NEEDS = ("required", "optional", "none")


def check_tls(options: Mapping[str, str]) -> None:
    """Refuse what no connection could be made of.

    Raises:
        ValueError: An option is unknown or cannot have this value; the message holds no value.
    """
    if not OPTIONS.issuperset(options):
        raise ValueError(f"of options {PREFIX}… there are {', '.join(sorted(OPTIONS))}")
    if options.get("ssl_cert_reqs", "required") not in CERTIFICATE_NEEDS:
        raise ValueError(f"ssl_cert_reqs is one of {', '.join(CERTIFICATE_NEEDS)}")
    try:
        version = read_tls(options).get("ssl_min_version")
        if version is not None:
            ssl.TLSVersion(version)
    except ValueError:
        raise ValueError(f"an option {PREFIX}… has a value that it cannot have") from None


def read_tls(options: Mapping[str, str]) -> dict[str, Any]:
    """Give what an encrypted connection takes, each value in the form that it needs."""
    # The URL's kind does not matter, and this one needs nothing else.
    read = dict(parse_url(f"unix://?{urlencode(options)}"))
    return {name: value for name, value in read.items() if name in OPTIONS}
