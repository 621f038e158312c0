"""Which kind of sender an endpoint is for: a preset's name in, the preset out, or a question."""

from relay.commands.endpoints.ask import ask
from relay.commands.endpoints.nearest import did_you_mean
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable
from relay.endpoints import OWN_KINDS
from relay.provider import Provider
from relay.providers import PROVIDERS
from relay.scheme import Basic, Unsigned

PRESETS = "`relay providers` lists them; a sender without one: docs/how-to/add-a-sender.md"


def kind_of(name: str | None, provider: str | None, *, is_asking: bool) -> Provider:
    """Find out which kind of sender is meant.

    Args:
        name: Of the endpoint, if it was given; a preset's name stands for the preset too.
        provider: Which kind was given, if one was.
        is_asking: Somebody is there who can be asked.

    Raises:
        CommandFailed: There is none of this name, or none was given.
    """
    if provider is not None:
        return _known_kind(provider)
    name = name or ""
    if name in PROVIDERS:
        return PROVIDERS[name]
    if is_asking:
        return ask("Kind of sender, such as github", _asked_kind)
    near = did_you_mean(name, PROVIDERS)
    raise _wrong(f"Say which kind of sender it is: --provider PRESET.{near} {PRESETS}")


def _known_kind(name: str) -> Provider:
    if name in PROVIDERS:
        return PROVIDERS[name]
    if name in {"basic", "none"}:
        own = Basic(family="basic") if name == "basic" else Unsigned(family="none")
        secret = "user:password" if name == "basic" else "the secret"
        return Provider(name=name, title=name, scheme=own, secret=secret)
    if name in OWN_KINDS:
        raise _wrong(
            f'provider = "{name}" is described by tables of its own: docs/how-to/add-a-sender.md'
        )
    near = did_you_mean(name, PROVIDERS)
    raise _wrong(f"There is no preset {printable(name, 80)}.{near} {PRESETS}")


def _asked_kind(name: str) -> Provider:
    try:
        return _known_kind(name)
    except CommandFailed as fault:
        raise ValueError(str(fault)) from None


def _wrong(message: str) -> CommandFailed:
    return CommandFailed(message, exit_code=WRONG_USAGE)
