"""The few facts of a refusal that are kept with it: cheap, for any bytes, and nothing secret."""

from dataclasses import replace

from relay.endpoint import Endpoint
from relay.explain.clock import age_seconds
from relay.explain.head import algorithm_of, expected_bytes
from relay.explain.received import Received
from relay.explain.trial import Trial
from relay.scheme import Signature
from relay.verify.places import headers_of, path_of

MAX_NAMED = 10
MAX_TEXT = 200
# A longer body is not looked into for its time: whoever sent it has proved nothing.
MAX_READ_BYTES = 16_384


def compared(endpoint: Endpoint, request: Received, reason: str) -> dict[str, str | int]:
    """Give what was compared before a request was refused.

    Nothing is verified again, so this costs no more than reading the head; but for the senders of
    whom each signature is taken once, of which only that tells whether this one had come before.

    Args:
        endpoint: For which it came.
        request: What came.
        reason: For which it was refused.

    Returns:
        Some of ``algorithm``, ``header`` or ``place``, ``header_missing``, ``candidate_bytes``,
        ``expected_bytes``, ``age_seconds``, ``tolerance_seconds``, ``secrets``, by name, and
        ``used_before``: the path of what had come with another event.
    """
    if not reason.startswith(("signature_", "timestamp_")):
        return {}
    used_before = _used_before(endpoint, request, reason)
    if request.body_bytes > MAX_READ_BYTES:
        request = replace(request, body=None)
    trial = Trial(endpoint, request, request.received_at_ms)
    facts: dict[str, str | int] = {"algorithm": algorithm_of(trial.scheme)}
    facts |= _place(trial)
    facts |= _lengths(trial)
    facts |= _age(trial)
    names = ", ".join(secret.name for secret in trial.secrets[:MAX_NAMED])
    if reason != "signature_missing" and names:
        facts["secrets"] = names[:MAX_TEXT]
    return facts | used_before


def _used_before(endpoint: Endpoint, request: Received, reason: str) -> dict[str, str | int]:
    """Tell what is right but for its having been used, which nobody else remembers."""
    once = getattr(endpoint.provider.scheme, "once", "")
    if not once or reason != "signature_mismatch" or request.body is None:
        return {}
    trial = Trial(endpoint, request, request.received_at_ms)
    return {"used_before": once} if trial.reason() is None else {}


def _place(trial: Trial) -> dict[str, str | int]:
    path, wanted = path_of(trial.scheme), headers_of(trial.scheme)
    if path:
        return {"place": f"body.{path}"}
    if parameter := trial.scheme.secret_parameter:
        return {"place": f"query.{parameter}"}
    found = [name for name in wanted if name in trial.headers]
    gone = [] if found else list(wanted[:1])
    scheme = trial.scheme
    if isinstance(scheme, Signature):
        where, name = scheme.timestamp.place if scheme.timestamp else ("", "")
        more = {*scheme.signed_headers, *({name} if where == "header" else ())}
        gone += sorted(each for each in more if each not in trial.headers)
    facts: dict[str, str | int] = {"header": found[0]} if found else {}
    return facts | ({"header_missing": ", ".join(gone)[:MAX_TEXT]} if gone else {})


def _lengths(trial: Trial) -> dict[str, str | int]:
    expected = expected_bytes(trial.scheme)
    # Where the candidate is the secret itself, its length is nobody's business.
    if trial.scheme.family in {"token", "basic"} or not trial.claim.candidates:
        return {} if expected is None else {"expected_bytes": expected}
    lengths = ", ".join(str(len(each)) for each in trial.claim.candidates)
    facts: dict[str, str | int] = {"candidate_bytes": lengths}
    return facts if expected is None else facts | {"expected_bytes": expected}


def _age(trial: Trial) -> dict[str, str | int]:
    age = age_seconds(trial) if trial.scheme.signs_time else None
    if age is None:
        return {}
    return {"age_seconds": round(age), "tolerance_seconds": trial.endpoint.tolerance_seconds}
