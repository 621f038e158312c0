"""Why a signature that can be read is not right: each cause is tried, the likeliest first."""

from dataclasses import replace

from relay.explain.bodies import bodies
from relay.explain.explanation import Finding
from relay.explain.head import is_signature, read_head, unlike
from relay.explain.trial import Trial
from relay.explain.urls import urls
from relay.explain.words import cut, listed, named
from relay.explain.wrong_secrets import (
    Others,
    not_counting,
    of_someone_else,
    without_secret,
    written_otherwise,
)
from relay.scheme import Jwt, PayPalSignature, Signature, SnsSignature
from relay.verify.in_json import text_at
from relay.verify.jwt import read_token

_PACKED = frozenset({"gzip", "deflate", "br", "zstd", "x-gzip"})
_GZIP = b"\x1f\x8b"
_REPLACED = "\ufffd".encode()
_KEEP_BYTES = (
    "Let the proxy or framework before the relay pass the body on as it came, byte for byte, "
    "without parsing it."
)


def mismatch(trial: Trial, others: Others) -> Finding:
    """Explain a delivery whose signature none of the endpoint's secrets made."""
    return (
        without_secret(trial)
        or _wrong_length(trial)
        or not_counting(trial)
        or written_otherwise(trial)
        or of_someone_else(trial, others)
        or _other_url(trial)
        or _changed_body(trial)
        or _of_family(trial)
        or _missing_signed_header(trial)
        or _hidden_change(trial)
        or _wrong_secret(trial)
    )


def _wrong_length(trial: Trial) -> Finding | None:
    if not is_signature(trial.scheme):
        return None
    texts = read_head(trial).texts
    if isinstance(trial.scheme, Jwt):
        texts = tuple(text.rpartition(".")[2] for text in texts)
    wrong = [unlike(trial.scheme, text) for text in texts]
    if not wrong or not all(wrong):
        return None
    return Finding(
        f"The signature has not the form of one: {wrong[0]}.",
        "See that the endpoint's provider is the sender's, and that nothing on the way cuts "
        "headers off.",
    )


def _other_url(trial: Trial) -> Finding | None:
    if not trial.scheme.signs_url:
        return None
    endpoint = trial.endpoint
    public = endpoint.public_url or ""
    if trial.request.query and trial.holds(trial.with_(query="")):
        return Finding(
            "It was signed for the URL without the query with which it came.",
            "Register the URL without a query, or keep what is before the relay from adding one.",
        )
    for url in urls(public, endpoint.name, trial.headers):
        if trial.holds(trial.with_(endpoint=replace(endpoint, public_url=url))):
            return Finding(
                f"It was signed for {cut(url, 200)}, and public_url says {public or 'nothing'}.",
                f"Set public_url of the endpoint to {cut(url, 200)}, or register the other URL at "
                "the sender.",
            )
    return None


def _signs_body(trial: Trial) -> bool:
    scheme = trial.scheme
    return scheme.assurance == "body" or scheme.family in {"paypal", "twilio"}


def _changed_body(trial: Trial) -> Finding | None:
    if not _signs_body(trial):
        return None
    for body, words in bodies(trial.delivery.body):
        if trial.holds(trial.with_(body=body)):
            return Finding(
                f"The body was changed on its way: the signature fits {words}.", _KEEP_BYTES
            )
    return None


def _of_family(trial: Trial) -> Finding | None:
    scheme = trial.scheme
    if isinstance(scheme, Jwt):
        return _of_token(trial, scheme)
    if isinstance(scheme, SnsSignature):
        return _of_topic(trial)
    if isinstance(scheme, PayPalSignature):
        return _of_transmission(trial)
    if scheme.secret_parameter:
        return Finding(
            f"The secret in the parameter {scheme.secret_parameter} of the URL was none of the "
            "endpoint's when it came. What stands in a URL is not kept, so it cannot be compared "
            "again.",
            "Register the endpoint's URL anew, with its secret; this one can be stored by force, "
            "if its event is wanted.",
        )
    if scheme.family in {"token", "basic"}:
        what = "The secret" if scheme.family == "token" else "User and password"
        return Finding(
            f"{what} that came is none of the endpoint's: {named(trial.secrets)} differ from it.",
            f"Copy {trial.endpoint.provider.secret} anew to the sender or from it.",
        )
    return None


def _of_token(trial: Trial, scheme: Jwt) -> Finding | None:
    if not any(map(trial.fits, trial.secrets)):
        return None
    issuer = read_token(trial.claim.timestamp)[1].get("iss")
    if scheme.issuer is not None and issuer != scheme.issuer:
        said = cut(issuer) if isinstance(issuer, str) else "nobody"
        return Finding(
            f"The token is right, but its issuer is {said} and not {scheme.issuer}.",
            "See that the endpoint's provider is the sender's.",
        )
    return Finding(
        "The token is right, but the digest of the body in it is of another body: the body was "
        "changed on its way.",
        _KEEP_BYTES,
    )


def _of_topic(trial: Trial) -> Finding:
    topic = text_at(trial.delivery.body, "TopicArn") or "none"
    if topic not in trial.endpoint.topics:
        return Finding(
            f"The message is of the topic {cut(topic, 100)}, which is none of the endpoint's.",
            "Add it to topic_arns if it is yours: messages of anyone's topic are signed by AWS.",
        )
    return Finding(
        "The message was not signed with the certificate that it names, or was changed on its way.",
        _KEEP_BYTES,
    )


def _of_transmission(trial: Trial) -> Finding:
    names = ("transmission-id", "transmission-time", "auth-algo", "cert-url")
    gone = [f"paypal-{name}" for name in names if f"paypal-{name}" not in trial.headers]
    if gone:
        return Finding(
            f"The header {listed(gone)} did not come, which is signed with the rest.",
            "See that no proxy before the relay takes headers away.",
        )
    return Finding(
        "The transmission was made for another webhook, with another certificate, or its body was "
        "changed on its way.",
        f"Compare webhook_id of the endpoint with the id that the sender shows. {_KEEP_BYTES}",
    )


def _missing_signed_header(trial: Trial) -> Finding | None:
    if not isinstance(trial.scheme, Signature):
        return None
    gone = [name for name in sorted(trial.scheme.signed_headers) if name not in trial.headers]
    if not gone:
        return None
    return Finding(
        f"The header {listed(gone)} did not come, which is signed with the rest.",
        "See that no proxy before the relay takes headers away.",
    )


def _hidden_change(trial: Trial) -> Finding | None:
    """Name a change that cannot be undone, so that it cannot be proved either."""
    if not _signs_body(trial):
        return None
    body, packing = trial.delivery.body, trial.headers.get("content-encoding", "").strip().lower()
    if not body:
        return Finding(
            "The body is empty, and the signature is of another one.",
            "If the sender sent one, something before the relay has read it and sent none on. "
            f"{_KEEP_BYTES}",
        )
    is_packed = body[:2] == _GZIP if "gzip" in packing else body[:1] not in {b"{", b"["}
    if packing in _PACKED and not is_packed:
        return Finding(
            f"The body was probably unpacked on its way: content-encoding says {packing}, and it "
            "is not packed.",
            _KEEP_BYTES,
        )
    if _REPLACED in body:
        return Finding(
            "The body was probably changed on its way: it has characters that stand for bytes that "
            "could not be read (U+FFFD).",
            _KEEP_BYTES,
        )
    return None


def _wrong_secret(trial: Trial) -> Finding:
    return Finding(
        f"No secret of the endpoint made this signature: tried {named(trial.secrets)}.",
        f"Copy {trial.endpoint.provider.secret} anew from {trial.endpoint.provider.title}. If it "
        "is the right one, the body was changed on its way in a manner that cannot be told.",
    )
