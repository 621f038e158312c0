"""``[endpoints.<name>]`` in, an endpoint with its sender's scheme and its secrets out.

What a preset says is a default: an endpoint may say otherwise where its event stands, and a sender
without a preset is described by the same words.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, WrapValidator, model_validator

from relay.contract.config import PatternText, Section
from relay.contract.patterns import parse_pattern
from relay.contract.references import BoundedReference, ReadFile, SecretReference, read_secret
from relay.coverage import check_header
from relay.endpoint import ChangedBody, Endpoint, Replay, Secret
from relay.filter_section import FilterSection, build_filters
from relay.identify.kept import KEPT_HEADERS
from relay.identify.places import finder_of
from relay.overlay import (
    called,
    check_choice,
    check_renamed,
    check_types_as,
    check_unkept,
    laid_over,
    renamed,
    with_what_was_said,
)
from relay.provider import Handshake, Places, Provider
from relay.providers import PROVIDERS
from relay.scheme import Basic, Scheme, Signature, Token, Unsigned
from relay.verify import check_secret
from relay.verify.extra import MISSING, is_missing

# Kinds that are described in the configuration itself, and the table that does it.
OWN_KINDS = ("hmac", "token", "basic", "none")

_ENDPOINT_URL = re.compile(r"https?://[!-~]+")
_ORIGIN = re.compile(r"[A-Za-z0-9.:-]{1,253}")
_WEBHOOK = re.compile(r"[0-9A-Za-z-]{1,128}")
_TOPIC = re.compile(r"arn:aws(?:-cn|-us-gov)?:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+")


def _check_provider(name: str) -> str:
    if name not in PROVIDERS and name not in OWN_KINDS:
        raise ValueError(
            f"is none of {', '.join(PROVIDERS)}; a sender that is not there is "
            '"hmac" with a table `signature`, "token", "basic", or "none" for no proof at all'
        )
    return name


def _check_url(url: str) -> str:
    if not _ENDPOINT_URL.fullmatch(url) or "?" in url or "#" in url:
        raise ValueError("the whole URL as the sender has it, without ? and what follows")
    return url


def _check_topic(topic: str) -> str:
    if not _TOPIC.fullmatch(topic):
        raise ValueError("a topic's whole ARN, arn:aws:sns:<region>:<account>:<name>")
    return topic


def _check_origin(origin: str) -> str:
    if origin != "*" and not _ORIGIN.fullmatch(origin):
        raise ValueError('a host as its sender writes it, such as eventgrid.azure.net, or "*"')
    return origin.lower()


def _check_webhook(webhook_id: str) -> str:
    if not _WEBHOOK.fullmatch(webhook_id):
        raise ValueError("the webhook's id at PayPal: letters, digits and hyphens, and not its URL")
    return webhook_id


def _check_kept(name: str) -> str:
    # It would stand in every event, for whoever may read those.
    if name.lower() in ("authorization", "proxy-authorization", "cookie"):
        raise ValueError(f"{name} holds credentials, which are never kept")
    check_header(name)
    return name


def _with_family(family: str) -> BeforeValidator:
    # It is said by the provider's name already.
    return BeforeValidator(
        lambda given: {"family": family, **given} if isinstance(given, dict) else given
    )


class EndpointSection(Section):
    """``[endpoints.<name>]``: one ingress path."""

    provider: Annotated[str, AfterValidator(_check_provider)]
    # The newest first; several while one is being replaced.
    secrets: tuple[BoundedReference, ...] = ()
    # For "hmac" and "token": how the sender proves itself.
    signature: Annotated[Signature | None, _with_family("signature")] = None
    # Also for a preset whose secret stands where the operator says at the sender.
    token: Annotated[Token | None, _with_family("token")] = None
    # Where events say what they are, as far as that is to differ from the preset.
    event: Annotated[Places | None, WrapValidator(with_what_was_said)] = None
    # What fields were called at the sender, by the names that the preset knows.
    renamed: Mapping[str, str] = {}
    # Other names for its types, of those that the preset knows.
    types_as: str | None = None
    # What the sender tries the endpoint with, beside what its preset knows of.
    handshakes: tuple[Handshake, ...] = ()
    # Further request headers worth keeping.
    headers: tuple[Annotated[str, AfterValidator(_check_kept)], ...] = ()
    # Signed by some senders. Never put together from what a request says.
    public_url: Annotated[str | None, AfterValidator(_check_url)] = None
    # Anyone can have AWS sign messages of a topic of his own.
    topic_arns: tuple[Annotated[str, AfterValidator(_check_topic)], ...] = ()
    # What PayPal calls this endpoint; it is signed.
    webhook_id: Annotated[str | None, AfterValidator(_check_webhook)] = None
    # Where nothing may be fetched, or for a try without AWS and PayPal: the only one that is taken.
    certificate_file: Path | None = None
    # What fetched certificates must lead to; none means what the system trusts.
    roots_file: Path | None = None
    # Shown by some senders when they try the endpoint.
    verify_token: SecretReference | None = None
    # Named one by one: whoever is told that it may send, may send as much as it likes.
    origins: tuple[Annotated[str, AfterValidator(_check_origin)], ...] = ()
    # The preset's, or 300: as in most senders' own samples.
    tolerance_seconds: Annotated[int | None, Field(ge=1, le=86_400)] = None
    late_tolerance_seconds: Annotated[int, Field(ge=0, le=2_678_400)] = 0
    # The longest that senders we know of go on retrying.
    window_seconds: Annotated[int, Field(ge=60, le=2_678_400)] = 72 * 3600
    partitions: Annotated[int, Field(ge=1, le=1024)] = 1
    # A sender that puts ids into its types must not make a stream for each.
    max_types: Annotated[int, Field(ge=1, le=100_000)] = 1000
    # Where no signature covers the type, whoever repeats a delivery could make up types.
    max_new_types_per_hour: Annotated[int, Field(ge=1, le=100_000)] = 20
    # A sender that repeats an id means the same event, whatever else has changed in it.
    changed_body: ChangedBody = "drop"
    # Equal bodies can be different events, so that is for the operator to say.
    replay: Replay = "usual"
    # What is expected, so that `relay check` can say what the dedupe index will need.
    events_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    # Off: a sender's burst is what the relay is there for.
    rate_limit_per_second: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    # How many may come at once within it; none means as many as in one second.
    rate_limit_burst: Annotated[int | None, Field(ge=1)] = None
    # Takes also what proves nothing, marked as such: for a try, before anything counts on it.
    dry_run: bool = False
    accounts: tuple[str, ...] = ()
    event_types: tuple[PatternText, ...] = ()
    # Of what is left; the first that fits decides.
    filters: tuple[FilterSection, ...] = ()

    @property
    def kind(self) -> Provider:
        """The kind of sender, as the preset and this table together say."""
        preset = self._preset
        own = (self.event, self.headers, self.handshakes, self.token, self.renamed, self.types_as)
        if not any(own):
            return preset
        event = laid_over(preset.event, self.event)
        if self.types_as:
            event = called(event, preset.types_as[self.types_as])
        return replace(
            preset,
            scheme=self.token or preset.scheme,
            event=renamed(event, self.renamed),
            headers=(*preset.headers, *self.headers),
            handshakes=(*preset.handshakes, *self.handshakes),
        )

    @property
    def tolerance(self) -> int:
        """How far a signed timestamp may be from now, both ways, in seconds."""
        return self.tolerance_seconds or self.kind.tolerance_seconds

    @model_validator(mode="after")
    def _choices_are_its_senders(self) -> Self:
        """Stands first: the others ask for the kind of sender as these settings say it."""
        preset = self._preset
        if self.token is not None and self.provider in PROVIDERS:
            check_choice(preset, "token")
        if self.renamed:
            check_choice(preset, "renamed")
            check_renamed(laid_over(preset.event, self.event), self.renamed)
        if self.types_as is not None:
            check_types_as(preset, self.types_as)
        return self

    @model_validator(mode="after")
    def _its_secret_is_not_kept(self) -> Self:
        """Events are there for more people than secrets are."""
        provider = self.kind
        kept = (*KEPT_HEADERS, "traceparent", *provider.headers)
        check_unkept(provider.scheme, provider.event, kept)
        return self

    @model_validator(mode="after")
    def _has_what_its_sender_needs(self) -> Self:
        """Name what this kind of sender cannot do without."""
        tables = {"hmac": ("signature", self.signature), "token": ("token", self.token)}
        if self.provider in PROVIDERS:
            # Of those some have a token where the operator chooses.
            del tables["token"]
        for kind, (table, given) in tables.items():
            if (given is not None) != (self.provider == kind):
                raise ValueError(f'provider = "{kind}" and a table `{table}` go together')
        provider = self.kind
        if provider.needs_url and self.public_url is None:
            raise ValueError(
                f"{self.provider} signs the URL, so public_url must say what it is there, "
                "for example https://hooks.example.com/webhooks/my-app"
            )
        if provider.needs_secret and not self.secrets:
            raise ValueError(f"secrets is missing: {provider.secret}")
        if self.replay == "strict" and not provider.event.window_without_id_seconds:
            raise ValueError(
                'replay = "strict" would drop events: equal bodies are not repeats here'
            )
        return self

    @model_validator(mode="after")
    def _certificates_are_for_us(self) -> Self:
        """A signature of AWS or PayPal says nothing of whose it is."""
        family = self.kind.scheme.family
        if (family == "sns") != bool(self.topic_arns):
            raise ValueError("topic_arns and an endpoint of aws-sns go together: its topics")
        if (family == "paypal") != (self.webhook_id is not None):
            raise ValueError("webhook_id and an endpoint of paypal go together: its id there")
        if family not in {"sns", "paypal"} and (self.certificate_file or self.roots_file):
            raise ValueError("certificate_file and roots_file are for aws-sns and paypal")
        if any(handshake.then == "confirm" for handshake in self.handshakes):
            raise ValueError('then = "confirm" is for the preset aws-sns, which has it')
        return self

    @model_validator(mode="after")
    def _handshakes_are_its_senders(self) -> Self:
        """A setting that does nothing is a misunderstanding."""
        provider = self.kind
        if self.verify_token is not None and not provider.takes_token:
            raise ValueError(f"verify_token does nothing here: {self.provider} shows none")
        if self.origins and not provider.takes_origin:
            raise ValueError(f"origins does nothing here: {self.provider} does not ask")
        return self

    @model_validator(mode="after")
    def _late_ones_are_known(self) -> Self:
        """What is taken late can be sent again for as long, so only its signed id tells it."""
        if not self.late_tolerance_seconds:
            return self
        provider = self.kind
        if not provider.scheme.signs_time:
            raise ValueError(
                f"late_tolerance_seconds does nothing here: {self.provider} signs no time"
            )
        if not finder_of(provider).id_is_signed:
            raise ValueError(
                f"late_tolerance_seconds needs an event id that is signed; {self.provider} signs "
                "none, so an old delivery could be sent again under another"
            )
        return self

    @model_validator(mode="after")
    def _replays_are_known(self) -> Self:
        """A signature must not stay good for longer than its event id is remembered."""
        good_for = 2 * self.tolerance + self.late_tolerance_seconds
        if good_for > self.window_seconds:
            raise ValueError(
                "window_seconds must be at least 2 × tolerance_seconds + late_tolerance_seconds, "
                f"here {good_for}; else an old delivery could be sent again after it is forgotten"
            )
        return self

    @property
    def _preset(self) -> Provider:
        """What is known of its kind of sender without this table."""
        return PROVIDERS.get(self.provider) or Provider(
            name=self.provider, title=self.provider, scheme=self._own_scheme()
        )

    def _own_scheme(self) -> Scheme:
        own: dict[str, Scheme | None] = {
            "hmac": self.signature,
            "token": self.token,
            "basic": Basic(family="basic"),
        }
        return own.get(self.provider) or Unsigned(family="none")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Where secrets are looked up.

    Args:
        environ: Variables that hold some.
        read_file: Gives the text of a file that holds one.
        faults: Takes a sentence for each that cannot be used.
    """

    environ: Mapping[str, str]
    read_file: ReadFile
    faults: list[str]

    def read(self, path: str, reference: SecretReference, scheme: Scheme) -> Secret | None:
        """Read one, and say what is wrong with it if it is no secret of the scheme."""
        secret = self.read_any(path, reference)
        try:
            if secret is not None:
                check_secret(scheme, secret)
        except ValueError as fault:
            self.faults.append(f"{path}: {fault}")
            return None
        return secret

    def text(self, path: str, file: Path | None) -> bytes | None:
        """Read certificates from a file, and say what is wrong where there are none."""
        found = None if file is None else self.read_any(path, SecretReference(file=file))
        if found is None:
            return None
        if b"-----BEGIN CERTIFICATE-----" not in found.reveal():
            self.faults.append(f"{path}: {file} holds no certificate as PEM")
        return found.reveal()

    def read_any(self, path: str, reference: SecretReference) -> Secret | None:
        """Read one of whatever form."""
        try:
            text = read_secret(reference, self.environ, self.read_file)
        except ValueError as fault:
            self.faults.append(f"{path}: {fault}")
            return None
        if isinstance(reference, BoundedReference):
            bounds = reference.not_before_ms, reference.not_after_ms
            return Secret(text, reference.name, *bounds)
        return Secret(text, reference.name)

    def is_awaited(self, reference: SecretReference) -> bool:
        """Say whether a secret's file is not there yet, or empty."""
        if reference.file is None:
            return False
        try:
            return not self.read_file(reference.file).strip()
        except FileNotFoundError:
            return True
        except (OSError, ValueError):
            return False


def build_endpoint(name: str, section: EndpointSection, secrets: Secrets) -> Endpoint:
    """Make an endpoint.

    Args:
        name: Its name.
        section: Its table.
        secrets: Reads its secrets, and takes what is wrong with them.
    """
    provider = section.kind
    # Where there is a public key, reading it says so.
    if provider.scheme.has_certificate and is_missing():
        secrets.faults.append(f"endpoints.{name}: {MISSING}")
    read = [
        secrets.read(f"endpoints.{name}.secrets[{number}]", reference, provider.scheme)
        for number, reference in enumerate(section.secrets)
        # It comes by a handshake; until an operator has accepted it, every delivery is refused.
        if not (provider.brings_secret and secrets.is_awaited(reference))
    ]
    token = section.verify_token
    return Endpoint(
        name=name,
        provider=provider,
        secrets=tuple(secret for secret in read if secret is not None),
        tolerance_seconds=section.tolerance,
        late_tolerance_seconds=section.late_tolerance_seconds,
        window_seconds=section.window_seconds,
        partitions=section.partitions,
        max_types=section.max_types,
        max_new_types_per_hour=section.max_new_types_per_hour,
        changed_body=section.changed_body,
        replay=section.replay,
        accounts=frozenset(section.accounts),
        event_types=tuple(parse_pattern(text) for text in section.event_types),
        filters=build_filters(name, section.filters, secrets.faults),
        public_url=section.public_url,
        topics=frozenset(section.topic_arns),
        webhook_id=section.webhook_id,
        certificate=secrets.text(f"endpoints.{name}.certificate_file", section.certificate_file),
        roots=secrets.text(f"endpoints.{name}.roots_file", section.roots_file),
        verify_token=secrets.read_any(f"endpoints.{name}.verify_token", token) if token else None,
        origins=frozenset(section.origins),
        renamed=section.renamed,
        dry_run=section.dry_run,
    )
