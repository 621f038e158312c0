"""The verification of one delivery, step by step in words."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Protocol, runtime_checkable

from relay.contract.errors import SignatureRefused
from relay.delivery import Delivery
from relay.explain.clock import age_seconds, described, signed_at_ms
from relay.explain.explanation import Outcome, Step, Verdict
from relay.explain.head import algorithm_of, encoding_of, expected_bytes, is_signature, read_head
from relay.explain.trial import AGE, Trial
from relay.explain.words import counted, listed, place_of, shown_key, span
from relay.scheme import Signature
from relay.verify.family import MAX_CANDIDATES
from relay.verify.places import headers_of, path_of


@runtime_checkable
class _Signs(Protocol):
    """A verifier that can say which bytes are signed."""

    def content(self, delivery: Delivery) -> bytes:
        """Give them."""


def steps_of(trial: Trial, verdict: Verdict) -> tuple[Step, ...]:
    """Say what is done with a delivery, and what comes of it.

    Args:
        trial: The delivery.
        verdict: For which reason it is refused now, or that it passes.
    """
    return tuple(_steps(trial, verdict))


def _steps(trial: Trial, verdict: Verdict) -> Iterator[Step]:
    yield _scheme(trial)
    yield _found(trial)
    yield from _cut(trial)
    yield from _time(trial)
    yield _content(trial)
    yield from _secrets(trial)
    yield from _age(trial, verdict)


def _scheme(trial: Trial) -> Step:
    scheme, title = trial.scheme, trial.endpoint.provider.title
    signed = f" over {scheme.signed}" if hasattr(scheme, "signed") else ""
    written = f", written in {encoding_of(scheme)}" if is_signature(scheme) else ""
    return Step("scheme", "ok", f"{title}: {algorithm_of(scheme)}{signed}{written}")


def _found(trial: Trial) -> Step:
    path, wanted = path_of(trial.scheme), headers_of(trial.scheme)
    if path:
        return Step("signature", _known(trial.is_whole), f"looked for in the body at {path}")
    if parameter := trial.scheme.secret_parameter:
        outcome: Outcome = "failed" if trial.reason() == "signature_missing" else "ok"
        return Step("signature", outcome, f"looked for in the query at {parameter}")
    if not wanted:
        return Step("signature", "ok", "none is asked for")
    looked = f"looked for {listed(wanted, 'or')}"
    found = read_head(trial).found
    if not found:
        came = len(trial.request.headers)
        return Step("signature", "failed", f"{looked}: not among {counted(came, 'header')}")
    each = (f"{name} with {counted(len(value), 'character')}" for name, value in found)
    return Step("signature", "ok", f"{looked}: found {listed(each)}")


def _known(is_there: bool) -> Outcome:  # noqa: FBT001 - it is the whole question
    return "ok" if is_there else "not reached"


def _cut(trial: Trial) -> Iterator[Step]:
    if not headers_of(trial.scheme):
        return
    if trial.refused_head == "signature_missing":
        yield Step("parts", "not reached", "there is nothing to cut")
        return
    head, scheme = read_head(trial), trial.scheme
    keys = f"parts {listed(map(shown_key, head.keys))}; " if head.keys else ""
    if not is_signature(scheme):
        outcome: Outcome = "ok" if trial.refused_head is None else "failed"
        yield Step("parts", outcome, f"{counted(len(head.texts), 'value')} to compare")
        return
    lengths = [str(len(each)) for each in trial.claim.candidates]
    expected = expected_bytes(scheme)
    wanted = f", {expected} expected" if expected is not None else ""
    candidates = f"{counted(len(lengths), 'signature')} in {encoding_of(scheme)}"
    sizes = f" of {listed(lengths)} bytes{wanted}" if lengths else wanted
    yield Step("parts", "ok" if lengths else "failed", f"{keys}{candidates}{sizes}")


def _time(trial: Trial) -> Iterator[Step]:
    if not trial.scheme.signs_time:
        return
    if trial.refused_head == "signature_missing":
        yield Step("time", "not reached", "it is signed with the rest")
        return
    made = signed_at_ms(trial)
    yield Step("time", "failed" if made is None else "ok", described(trial))


def _content(trial: Trial) -> Step:
    body = trial.request.body
    if body is None:
        size = counted(trial.request.body_bytes, "byte")
        return Step("content", "not reached", f"the body of {size} was not kept")
    digest = f"a body of {counted(len(body), 'byte')} with SHA-256 {sha256(body).hexdigest()}"
    if trial.refused_head is not None:
        return Step("content", "not reached", digest)
    if not isinstance(trial.verifier, _Signs):
        return Step("content", "ok", digest)
    try:
        signed = trial.verifier.content(trial.delivery)
    except SignatureRefused:
        return Step("content", "failed", f"{digest}, which the signed text does not go with")
    return Step(
        "content", "ok", f"{counted(len(signed), 'byte')} are signed: {_made_of(trial)}{digest}"
    )


def _made_of(trial: Trial) -> str:
    scheme = trial.scheme
    if not isinstance(scheme, Signature):
        return f"the URL {trial.endpoint.public_url or ''} and what is in it and in the form, of "
    url = f" where url is {trial.endpoint.public_url or 'empty'}" if scheme.signs_url else ""
    return f"{scheme.signed}{url}, with "


def _secrets(trial: Trial) -> Iterator[Step]:
    for secret in trial.secrets[:MAX_CANDIDATES]:
        name = f"secret in {place_of(secret)}"
        if trial.refused_head is not None or not trial.is_whole:
            yield Step(name, "not reached", "it was not tried")
        elif trial.fits(secret):
            yield Step(name, "ok", "the signature was made with it")
        else:
            yield Step(name, "failed", "the signature was not made with it")
    if trial.scheme.has_certificate:
        has = trial.delivery.certificate is not None
        text = "with which the signature is compared" if has else "is fetched by the relay only"
        yield Step("certificate", _known(has), text)


def _age(trial: Trial, verdict: Verdict) -> Iterator[Step]:
    if not trial.scheme.signs_time:
        return
    age, endpoint = age_seconds(trial), trial.endpoint
    if age is None:
        yield Step("age", "not reached", "there is no time")
        return
    side = "old" if age >= 0 else "in the future"
    late = endpoint.tolerance_seconds + endpoint.late_tolerance_seconds
    text = (
        f"{span(age)} {side} when it came; {span(late)} old and {span(endpoint.tolerance_seconds)} "
        "in the future are allowed"
    )
    outcomes: dict[Verdict, Outcome] = {**dict.fromkeys(AGE, "failed"), "passes": "ok"}
    yield Step("age", outcomes.get(verdict, "not reached"), text)
