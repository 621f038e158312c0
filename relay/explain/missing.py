"""Why there is no signature: what was looked for, and what came instead of it."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from urllib.parse import parse_qsl

from relay.explain.explanation import Finding
from relay.explain.trial import Trial
from relay.explain.words import cut, listed, place_of
from relay.provider import Provider
from relay.providers import PROVIDERS
from relay.verify.content import wire_bytes
from relay.verify.in_json import parsed
from relay.verify.places import headers_of, path_of

# Of a sender whose older webhooks have no signature at all.
# Source: https://developer.unipile.com/docs/webhooks-2
_UNIPILE, _UNIPILE_STATIC = "unipile-signature", "unipile-auth"
VERSION_ONE = "unipile-v1"
# The credentials of any sender may stand there.
_SHARED = frozenset({"authorization"})
_LIKE_A_SIGNATURE = ("signature", "hmac", "hook-token")
MAX_SIMILAR = 3
MAX_NAME = 256
MAX_FIELDS = 100


def missing(trial: Trial) -> Finding:
    """Explain a delivery without a signature."""
    path = path_of(trial.scheme)
    if path:
        return _missing_in_body(trial, path)
    if parameter := trial.scheme.secret_parameter:
        return _missing_in_query(trial, parameter)
    return (
        _version_one(trial)
        or _secret_itself(trial)
        or _other_preset(trial)
        or _similar(trial)
        or _taken_away(trial)
    )


def _missing_in_body(trial: Trial, path: str) -> Finding:
    title = trial.endpoint.provider.title
    is_json = parsed(trial.delivery.body) is not None
    what = "The body has no" if is_json else "The body is not JSON, so it has no"
    instead = _preset_of(trial)
    more = f"; it looks like a delivery of {instead}" if instead else ""
    return Finding(
        f"{what} {path}, where a delivery of {title} has its proof{more}.",
        f"See that the webhook is one of {title}, and that it has a secret there.",
    )


def _missing_in_query(trial: Trial, parameter: str) -> Finding:
    title = trial.endpoint.provider.title
    # It may be the secret itself where somebody forgot to give it a name.
    came = [name for name, _ in parse_qsl(trial.request.query, keep_blank_values=True) if name]
    names = f"those that came are {listed(map(cut, came[:MAX_SIMILAR]))}" if came else "none came"
    proofs = [name.lower() for name in trial.headers if name.lower() in _by_header()]
    instead = f" It has a header {proofs[0]}: is it for another endpoint?" if proofs else ""
    return Finding(
        f"The URL has no parameter {parameter}, in which a request of {title} has the secret here; "
        f"{names}.",
        f"Register the endpoint's URL with ?{parameter}=<the secret> at its end.{instead}",
    )


def _version_one(trial: Trial) -> Finding | None:
    """Tell a webhook of Unipile's older API, which knows only headers of one's own."""
    if _UNIPILE not in headers_of(trial.scheme):
        return None
    body = parsed(trial.delivery.body) or _form(trial.delivery.body)
    holding = _header_with_secret(trial)
    shape = _version_one_shape(body)
    is_newer = isinstance(body, dict) and "payload" in body and "type" in body
    has_static = _UNIPILE_STATIC in trial.headers or (holding is not None and not is_newer)
    if not shape and not has_static:
        return None
    header = holding[0] if holding else _UNIPILE_STATIC
    place = "" if header == _UNIPILE_STATIC else f' and token = {{ place = "header.{header}" }}'
    held = f" (here in {header}: the secret in {holding[1]})" if holding else ""
    return Finding(
        "This is a webhook of Unipile's API version 1, which has no signature; it proves itself by "
        f"a header of your own at most{held}.",
        "Make the webhook anew in version 2 of the API, or give it an endpoint of its own with "
        f'provider = "{VERSION_ONE}"{place}.',
    )


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=MAX_FIELDS))
    except ValueError:
        return {}


def _version_one_shape(body: object) -> bool:
    if not isinstance(body, dict) or "type" in body:
        return False
    is_callback = {"status", "account_id", "name"} <= body.keys()
    if is_callback or any(key.startswith("AccountStatus") for key in body):
        return True
    # All of its events have both; other senders' have an event too.
    return isinstance(body.get("event"), str) and isinstance(body.get("account_id"), str)


def _header_with_secret(trial: Trial) -> tuple[str, str] | None:
    """Give the header that holds one of the endpoint's secrets as it is, and where that is from."""
    for name, value in trial.request.headers:
        held = wire_bytes(value.strip().removeprefix("Bearer").strip())
        for secret in trial.secrets:
            if held and held == secret.reveal():
                return cut(name.lower()), place_of(secret)
    return None


def _secret_elsewhere(trial: Trial, wanted: str, header: str, place: str) -> Finding:
    chosen = "token" in trial.endpoint.provider.chosen or trial.endpoint.provider.name == "token"
    here = f', or say here that it is: token = {{ place = "header.{header}" }}'
    return Finding(
        f"The header {wanted} did not come, and {header} holds the secret in {place}.",
        f"Have the sender send it as {wanted}{here if chosen else ''}.",
    )


_SHOWN = (
    "The sender must sign with the secret and not send it. Replace it: it has been shown to "
    "whoever saw the request."
)


def _secret_itself(trial: Trial) -> Finding | None:
    holding = _header_with_secret(trial)
    if holding is None:
        return None
    wanted, (header, place) = listed(headers_of(trial.scheme), "or"), holding
    if trial.scheme.family == "token":
        return _secret_elsewhere(trial, wanted, header, place)
    return Finding(
        f"The header {wanted} did not come, and {header} holds the secret in {place} itself.",
        _SHOWN,
    )


def secret_for_signature(trial: Trial) -> Finding | None:
    """Find a secret that was sent where its signature belongs."""
    holding = _header_with_secret(trial)
    if holding is None or holding[0] not in headers_of(trial.scheme):
        return None
    header, place = holding
    return Finding(
        f"The header {header} holds the secret in {place} itself, and no signature.", _SHOWN
    )


def _other_preset(trial: Trial) -> Finding | None:
    own = headers_of(trial.scheme)
    came = [name.lower() for name, _ in trial.request.headers]
    for name in came:
        if name in _by_header() and name not in own and name not in _SHARED:
            title = _likeliest(_by_header()[name], came)
            return Finding(
                f"The header {listed(own, 'or')} did not come; this looks like a delivery of "
                f"{title}: {name}.",
                f"Send it to an endpoint of that sender, or set provider to it here: this endpoint "
                f"is one of {trial.endpoint.provider.title}.",
            )
    return None


def _preset_of(trial: Trial) -> str:
    came = [name.lower() for name, _ in trial.request.headers]
    known = (name for name in came if name in _by_header() and name not in _SHARED)
    return next((_likeliest(_by_header()[name], came) for name in known), "")


@cache
def _by_header() -> dict[str, tuple[Provider, ...]]:
    """Give the senders by the headers in which they sign."""
    found: dict[str, tuple[Provider, ...]] = {}
    for provider in PROVIDERS.values():
        for header in headers_of(provider.scheme):
            found[header] = (*found.get(header, ()), provider)
    return found


def _likeliest(providers: Iterable[Provider], came: list[str]) -> str:
    """Name those of some senders of which most other headers came."""
    scores = {each.title: sum(name in came for name in each.headers) for each in providers}
    best = max(scores.values())
    return listed((title for title, score in scores.items() if score == best), "or")


def _similar(trial: Trial) -> Finding | None:
    own = headers_of(trial.scheme)
    came = [name.lower() for name, _ in trial.request.headers if len(name) <= MAX_NAME]
    near = [each for name in own for each in get_close_matches(name, came, MAX_SIMILAR, 0.7)]
    near += [name for name in came if any(word in name for word in _LIKE_A_SIGNATURE)]
    if not near:
        return None
    others = listed(map(cut, list(dict.fromkeys(near))[:MAX_SIMILAR]))
    return Finding(
        f"The header {listed(own, 'or')} did not come, but {others} did.",
        "See that the endpoint's provider is the sender's, and that no proxy renames headers.",
    )


def _taken_away(trial: Trial) -> Finding:
    title, wanted = trial.endpoint.provider.title, listed(headers_of(trial.scheme), "or")
    if trial.scheme.family == "token":
        return Finding(
            f"The header {wanted} did not come, nor anything like it.",
            f"Give the webhook at {title} that header, with the secret in it. If it has it, a "
            "proxy before the relay takes it away.",
        )
    older = ""
    if _UNIPILE in headers_of(trial.scheme) and trial.request.body is None:
        older = " A webhook of Unipile's API version 1 has no signature at all."
    return Finding(
        f"The header {wanted} did not come, nor anything like it.",
        f"Set the secret of the webhook at {title}: without one it signs nothing. If it has one, a "
        f"proxy before the relay takes the header away.{older}",
    )
