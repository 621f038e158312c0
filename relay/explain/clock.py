"""When a delivery says it was signed, and what a wrong time looks like."""

from relay.explain.explanation import Finding
from relay.explain.trial import Trial
from relay.explain.words import moment, span
from relay.scheme import Jwt, PayPalSignature, Signature, SignatureInBody, SnsSignature, Unit
from relay.verify.age import reader_of
from relay.verify.in_json import text_at
from relay.verify.jwt import read_token

HOUR = 3600
# From the one end of the world's time zones to the other.
MAX_HOURS = 26
# How far a clock that is whole hours off may be off besides.
NEAR_SECONDS = 120
_DAY_MS = 86_400_000


def unit_of(trial: Trial) -> Unit:
    """Say how the scheme's sender writes a time."""
    scheme = trial.scheme
    if isinstance(scheme, Signature | SignatureInBody) and scheme.timestamp is not None:
        return scheme.timestamp.unit
    return "iso8601"


def time_text(trial: Trial) -> str:
    """Give the time as it stands in the delivery; empty where it is in none of its places."""
    scheme = trial.scheme
    if isinstance(scheme, PayPalSignature):
        return trial.headers.get("paypal-transmission-time", "").strip()
    if isinstance(scheme, SnsSignature):
        return text_at(trial.delivery.body, "Timestamp") or ""
    if not isinstance(scheme, Signature | SignatureInBody) or scheme.timestamp is None:
        return ""
    where, name = scheme.timestamp.place
    if where == "body":
        return text_at(trial.delivery.body, name) or ""
    return trial.claim.timestamp


def signed_at_ms(trial: Trial) -> int | None:
    """Give the time in ms since the epoch, where the delivery has one that can be read."""
    if isinstance(trial.scheme, Jwt):
        return _token_ms(trial)
    text = time_text(trial)
    return reader_of(unit_of(trial))(text) if text else None


def _token_ms(trial: Trial) -> int | None:
    made = read_token(trial.claim.timestamp)[1].get("iat")
    if not isinstance(made, int | float) or isinstance(made, bool):
        return None
    return int(1000 * max(0, min(made, 10**12)))


def age_seconds(trial: Trial) -> float | None:
    """Say how old the signature was when it came; less than nothing where it is of the future."""
    made = signed_at_ms(trial)
    return None if made is None else (trial.delivery.received_at_ms - made) / 1000


def wrong_time(trial: Trial) -> Finding:
    """Explain why a signature that is right is too old, or of the future."""
    age = age_seconds(trial)
    if age is None:
        return Finding(
            "The token is right, but it was no longer good when it came.",
            "Look why it came so late, or set late_tolerance_seconds for the endpoint.",
        )
    return _as_other_unit(trial) or _as_clock(age) or _as_late(trial, age)


def _as_other_unit(trial: Trial) -> Finding | None:
    """Take a time that was written in another unit for what it is."""
    made, came = signed_at_ms(trial) or 0, trial.delivery.received_at_ms
    for meant, written in ((made * 1000, "seconds"), (made // 1000, "milliseconds")):
        if abs(meant - came) < _DAY_MS:
            other = unit_of(trial)
            return Finding(
                f"The signature is right, but its time is in {written}, and is read in {other}.",
                "Set the unit of the scheme's timestamp to what the sender writes.",
            )
    return None


def _as_clock(age: float) -> Finding | None:
    hours = round(abs(age) / HOUR * 2) / 2
    if not 1 <= hours <= MAX_HOURS or abs(abs(age) - hours * HOUR) > NEAR_SECONDS:
        return None
    side = "old" if age > 0 else "in the future"
    return Finding(
        f"The signature is right, but its time is {span(age)} {side}: {hours:g} h, as where a "
        "clock or a time zone is set wrong.",
        "Compare both clocks with the true time (UTC), the relay's first, and see that they are "
        "kept right (NTP).",
    )


def _as_late(trial: Trial, age: float) -> Finding:
    endpoint = trial.endpoint
    if age < 0:
        return Finding(
            f"The signature is right, but its time is {span(age)} in the future: "
            f"{span(endpoint.tolerance_seconds)} are allowed.",
            "Compare both clocks with the true time, the relay's first.",
        )
    allowed = endpoint.tolerance_seconds + endpoint.late_tolerance_seconds
    enough = int(age) + 1 - endpoint.tolerance_seconds
    return Finding(
        f"The signature is right, but it was {span(age)} old when it came: {span(allowed)} are "
        "allowed.",
        "A retry with its first signature, or what waited on its way, comes so late; "
        f"late_tolerance_seconds = {enough} would have taken it. "
        "If every delivery is so old, a clock is wrong.",
    )


def described(trial: Trial) -> str:
    """Say when it was signed, in words."""
    made = signed_at_ms(trial)
    return "no time that can be read" if made is None else f"{made} ms since 1970, {moment(made)}"
