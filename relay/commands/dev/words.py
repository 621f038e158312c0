"""What ``relay dev`` says at its start: where everything is, and what to try. Never a secret."""

import shlex
import shutil
import sys
from pathlib import Path

from relay.commands.dev.gateway import Listening
from relay.commands.dev.secret import DevSecret
from relay.contract.display import tell
from relay.contract.surroundings import DEV_DIRECTORY, DEV_SECRET_FILE, DEV_URL_FILE
from relay.endpoints import EndpointSection
from relay.settings import DEFAULT_SECRET_VARIABLE, Settings

DEFAULT_PORT = 8080
ENDPOINT = "unipile"

_WELCOME = """
The relay is up. Ctrl-C stops all of it; the events stay.

  deliveries  {url}
  metrics     http://127.0.0.1:{admin_port}/metrics
  secret      {secret_place}
  store       127.0.0.1:{redis_port}, its URL is in {url_file}

Try it in a second terminal, in this directory:

  {send}
  {tail}
"""

_BY_HAND = """
or as a sender would, with nothing of ours:

  body='{{"id":"evt_'$(date +%s)'","type":"message.new","payload":{{"text":"hello"}}}}'
  t=$(date +%s)
  v0=$(printf '%s.%s' "$t" "$body" | openssl dgst -sha256 -hmac "{key}" -hex | sed 's/^.* //')
  curl -i {url} -H "unipile-signature: t=$t,v0=$v0" --data-binary "$body"
"""


def announce(
    settings: Settings,
    listening: Listening,
    data_dir: Path,
    redis_port: int,
    secret: DevSecret,
) -> None:
    """Say it."""
    name = ENDPOINT if ENDPOINT in settings.endpoints else min(settings.endpoints, default="")
    url = f"http://127.0.0.1:{listening.port}/webhooks/{name}"
    with_ours = _has_our_secret(settings.endpoints.get(name))
    welcome = _WELCOME.format(
        url=url,
        admin_port=listening.admin_port,
        redis_port=redis_port,
        url_file=data_dir / DEV_URL_FILE,
        secret_place=_secret_place(data_dir, secret) if with_ours else "as the configuration says",
        send=_send(name, listening.port, data_dir, secret),
        tail=_tail(data_dir),
    )
    tell(welcome + (_BY_HAND.format(url=url, key=_key(data_dir, secret)) if with_ours else ""))


def _has_our_secret(section: EndpointSection | None) -> bool:
    """Tell whether deliveries are signed as Unipile does, with the secret of this command."""
    return section is not None and (
        section.provider == ENDPOINT
        and [each.env for each in section.secrets[:1]] == [DEFAULT_SECRET_VARIABLE]
    )


def _secret_place(data_dir: Path, secret: DevSecret) -> str:
    if secret.is_ours:
        return str(data_dir / DEV_SECRET_FILE)
    return f"the environment variable {DEFAULT_SECRET_VARIABLE}"


def _key(data_dir: Path, secret: DevSecret) -> str:
    """Give the shell's words for the secret."""
    if secret.is_ours:
        return f"$(cat {shlex.quote(str(data_dir / DEV_SECRET_FILE))})"
    return f"${DEFAULT_SECRET_VARIABLE}"


def _send(name: str, port: int, data_dir: Path, secret: DevSecret) -> str:
    where = "" if port == DEFAULT_PORT else f" --url http://127.0.0.1:{port}"
    found = _is_found(data_dir) or not secret.is_ours
    variable = "" if found else f'{DEFAULT_SECRET_VARIABLE}="$(cat {data_dir / DEV_SECRET_FILE})" '
    return f"{variable}{_our_name()} send {name}{where}"


def _tail(data_dir: Path) -> str:
    variable = "" if _is_found(data_dir) else f'REDIS_URL="$(cat {data_dir / DEV_URL_FILE})" '
    return f"{variable}{_our_name()} tail"


def _is_found(data_dir: Path) -> bool:
    """Tell whether other commands, started here, find this directory by themselves."""
    return data_dir.absolute() == Path(DEV_DIRECTORY).absolute()


def _our_name() -> str:
    """Give the words that start this program again, as it was started now."""
    started_as = Path(sys.argv[0])
    if started_as.name == "__main__.py":
        return f"{sys.executable} -m relay"
    if shutil.which(started_as.name) == str(started_as):
        return started_as.name
    here = Path.cwd()
    return str(started_as.relative_to(here) if started_as.is_relative_to(here) else started_as)
