"""A refused request in, its cause in words out: pure, and judged by the verifiers themselves.

What is said holds no secret, no signature and nothing of the body. It is for an operator, who may
read the configuration; a sender is told the reason only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from relay.endpoint import Endpoint, Secret
from relay.explain.certified import is_from_elsewhere
from relay.explain.clock import wrong_time
from relay.explain.explanation import Explanation, Finding, Step, Verdict
from relay.explain.facts import compared
from relay.explain.malformed import malformed
from relay.explain.mismatch import mismatch
from relay.explain.missing import missing
from relay.explain.received import Received
from relay.explain.steps import steps_of
from relay.explain.trial import AGE, Trial
from relay.explain.unsigned import unsigned
from relay.explain.words import named
from relay.explain.wrong_secrets import Others

__all__ = ["Explanation", "Received", "Step", "Verdict", "compared", "explain"]

# A shorter secret is a part of many words, and none.
MIN_HIDDEN = 8
# Nothing of a sender's is shown that is longer.
MAX_CUT = 200


def explain(
    endpoint: Endpoint,
    request: Received,
    *,
    now_ms: int,
    others: Others | None = None,
    reason: str | None = None,
    used_before: str = "",
) -> Explanation:
    """Say why a request was refused, or that it passes now.

    It is verified again with the endpoint as it is configured now, at the time at which it came. A
    cause is only named where what was tried proves it, or else as what is likely.

    Args:
        endpoint: As it is configured now.
        request: What came.
        now_ms: The present, ms since the epoch: the secrets that count now are tried.
        others: Secrets of other endpoints by name, which may have been confused with its own.
        reason: For which it was refused, if that is known.
        used_before: The path of what had come with another event, as was found when it came.

    Returns:
        One cause, one remedy, and the steps that were taken.
    """
    if reason is not None and not reason.startswith(("signature_", "timestamp_")):
        return unsigned(reason)
    trial = Trial(endpoint, request, now_ms)
    verdict = _verdict(trial)
    if verdict == "passes" and used_before:
        verdict, finding = "signature_mismatch", _used(used_before)
    else:
        finding = _finding(trial, verdict, others or {})
    steps = steps_of(trial, verdict)
    explanation = Explanation(
        cause=finding.cause, remedy=finding.remedy, verdict=verdict, steps=steps
    )
    return _hidden(explanation, _all_secrets(endpoint, others or {}))


def _verdict(trial: Trial) -> Verdict:
    if trial.refused_head is not None:
        return trial.refused_head
    reason = trial.reason()
    if reason != "signature_missing" and is_from_elsewhere(trial):
        return "signature_malformed"
    if not trial.is_whole and reason != "signature_missing":
        return "not_judged"
    return reason or "passes"


def _finding(trial: Trial, verdict: Verdict, others: Others) -> Finding:
    if verdict == "not_judged":
        return _not_judged(trial)
    if verdict == "passes":
        return _passes(trial)
    if verdict == "signature_missing":
        return missing(trial)
    if verdict == "signature_malformed":
        return malformed(trial)
    return wrong_time(trial) if verdict in AGE else mismatch(trial, others)


def _not_judged(trial: Trial) -> Finding:
    if trial.request.body is None:
        return Finding(
            "It cannot be verified again, since its body was not kept whole.",
            "Wait for the next one, or have the sender send it again.",
        )
    return Finding(
        "It cannot be verified again, since the certificate of its sender is not here.",
        "Have the sender send it again.",
    )


def _passes(trial: Trial) -> Finding:
    if trial.scheme.assurance == "none":
        return Finding(
            "The endpoint asks for no proof now, so anything passes.",
            "Store it by force, if its event is wanted: nothing says whose it is.",
        )
    fitting = [secret for secret in trial.secrets if trial.fits(secret)]
    by = f" with {named(fitting)}" if fitting else ""
    once = getattr(trial.scheme, "once", "")
    taken = (
        f" It may have been refused since its {once} had come with another event." if once else ""
    )
    return Finding(
        f"It passes now{by}: what was wrong has been mended since.",
        f"Accept it, if its event is still wanted.{taken}",
    )


def _used(path: str) -> Finding:
    return Finding(
        f"The signature is right, but its {path} had come with another event, and is taken with "
        "one only.",
        "Ask the sender whether it has sent this: whoever has seen a delivery of it can send its "
        "signature again with anything.",
    )


def _all_secrets(endpoint: Endpoint, others: Mapping[str, Sequence[Secret]]) -> list[str]:
    token = endpoint.verify_token
    secrets: Iterable[Secret] = (
        *endpoint.secrets,
        *((token,) if token is not None else ()),
        *(secret for each in others.values() for secret in each),
    )
    return [
        secret.reveal().decode("utf-8", "surrogateescape")
        for secret in secrets
        if len(secret.reveal()) >= MIN_HIDDEN
    ]


def _without_beginning(text: str, secret: str) -> str:
    """Take out as much of a secret as was left where a text was cut."""
    *parts, end = text.split("…")
    return "…".join([*(_without_end(part, secret[:MAX_CUT]) for part in parts), end])


def _without_end(text: str, secret: str) -> str:
    for length in range(len(secret), MIN_HIDDEN - 1, -1):
        if text.endswith(secret[:length]):
            return text[:-length]
    return text


def _hidden(explanation: Explanation, secrets: list[str]) -> Explanation:
    """Take out whatever a sender may have written of a secret, into the name of a header say."""

    def hide(text: str) -> str:
        for secret in secrets:
            for written in (secret, secret.lower()):
                text = _without_beginning(text.replace(written, "…"), written)
        return text

    return replace(
        explanation,
        cause=hide(explanation.cause),
        remedy=hide(explanation.remedy),
        steps=tuple(replace(step, text=hide(step.text)) for step in explanation.steps),
    )
