"""What must be known of an endpoint of a kind of sender, and how it is asked or given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from relay.commands.endpoints.values import check_value, read_place, read_value
from relay.commands.providers.facts import needs_of
from relay.provider import Provider


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that must be known.

    Args:
        key: The setting.
        text: Asked on a terminal.
        option: By which it is given elsewhere.
        default: Proposed on a terminal; empty where there is nothing to propose.
        read: Takes what was typed; a `ValueError` says what is wrong with it.
    """

    key: str
    text: str
    option: str
    default: str
    read: Callable[[str], object]


def questions(provider: Provider, name: str, known: Mapping[str, object]) -> list[Question]:
    """Say what is still to be known.

    Args:
        provider: The kind of sender.
        name: The endpoint's name.
        known: Settings that were given.
    """
    asked = [_secret(provider, name)] if has_secret(provider) else []
    asked += [_TEXTS[key](name) for key in needs_of(provider) if key in _TEXTS]
    return [question for question in asked if question.key not in known]


def secret_place(provider: Provider, text: str) -> list[dict[str, str]]:
    """Read where an endpoint's secret is to be.

    Raises:
        ValueError: It is no place, or none into which a secret can be written that the sender
            brings.
    """
    place = read_place(text)
    if provider.brings_secret and "file" not in place:
        raise ValueError(
            f"{provider.title} sends its secret when the endpoint is set up, and the relay writes "
            "it to a file: give the path of one, which need not exist yet"
        )
    check_value("secrets", [place])
    return [place]


def has_secret(provider: Provider) -> bool:
    """Say whether an endpoint of a kind of sender has a secret."""
    return provider.needs_secret or provider.brings_secret


def _secret(provider: Provider, name: str) -> Question:
    what = "PUBLIC_KEY" if provider.has_public_key else "WEBHOOK_SECRET"
    return Question(
        key="secrets",
        text=f"Where {provider.secret} will be: a variable, or the path of a file",
        option="--secret-env VARIABLE or --secret-file PATH",
        default=f"/var/lib/relay/{name}.secret" if provider.brings_secret else _named(name, what),
        read=lambda text: secret_place(provider, text),
    )


def _public_url(name: str) -> Question:
    return Question(
        key="public_url",
        text="The whole URL as the sender has it; it signs it",
        option=f"--public-url https://hooks.example.com/webhooks/{name}",
        default="",
        read=lambda text: read_value("public_url", text),
    )


def _by_set(key: str, text: str, example: str) -> Callable[[str], Question]:
    return lambda _: Question(
        key, text, f"--set {key}={example}", "", lambda typed: read_value(key, typed)
    )


def _verify_token(name: str) -> Question:
    variable = _named(name, "VERIFY_TOKEN")
    return Question(
        key="verify_token",
        text="Where the verify token will be: a variable, or the path of a file",
        option=f"--set verify_token={variable}",
        default=variable,
        read=lambda text: read_value("verify_token", text),
    )


_TEXTS: dict[str, Callable[[str], Question]] = {
    "public_url": _public_url,
    "topic_arns": _by_set(
        "topic_arns",
        "The ARN of the topic, or of several with commas",
        "arn:aws:sns:us-east-1:123456789012:my-topic",
    ),
    "webhook_id": _by_set("webhook_id", "The id of the webhook at the sender", "5WH44510GB886442S"),
    "verify_token": _verify_token,
    "origins": _by_set(
        "origins", "Hosts that may ask whether they may send, with commas", "eventgrid.azure.net"
    ),
}


def _named(name: str, what: str) -> str:
    variable = f"{name.upper().replace('-', '_')}_{what}"
    # No shell sets one that begins with a digit.
    return variable if not variable[0].isdigit() else f"_{variable}"
