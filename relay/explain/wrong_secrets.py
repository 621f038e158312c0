"""Which secret made a signature, where none that counts did."""

from collections.abc import Iterator, Mapping, Sequence

from relay.endpoint import Secret
from relay.explain.explanation import Finding
from relay.explain.near_secrets import near
from relay.explain.trial import Trial, made_secret
from relay.explain.words import moment, place_of
from relay.scheme import Key

Others = Mapping[str, Sequence[Secret]]
# How much of the configuration is tried.
MAX_OTHERS = 1000


def without_secret(trial: Trial) -> Finding | None:
    """Say that there is nothing to verify with."""
    provider = trial.endpoint.provider
    if trial.secrets or provider.scheme.family in {"none", "sns", "paypal"}:
        return None
    if trial.configured.secrets:
        return Finding(
            "None of the endpoint's secrets counts at this time.",
            "Look at not_before and not_after of its secrets.",
        )
    return Finding(
        "The endpoint has no secret yet, so every delivery is refused.",
        f"Configure {provider.secret}; where the sender brings it, accept the one that waits "
        "(relay secrets).",
    )


def not_counting(trial: Trial) -> Finding | None:
    """Find a secret of the endpoint that does not count any more, or not yet."""
    counting = {each.reveal() for each in trial.secrets}
    for secret in trial.configured.secrets:
        if secret.reveal() not in counting and trial.fits(secret.without_bounds()):
            return Finding(
                f"It was signed with the secret in {place_of(secret)}, which {_bounds(secret)}.",
                "Have the sender sign with one that counts, or change not_before or not_after of "
                "this one.",
            )
    return None


def _bounds(secret: Secret) -> str:
    """Say when a secret counts that does not count now."""
    begins, ends = map(moment, (secret.not_before_ms, secret.not_after_ms))
    if begins and ends:
        return f"counts from {begins} to {ends} only"
    return f"does not count before {begins}" if begins else f"does not count after {ends}"


def written_otherwise(trial: Trial) -> Finding | None:
    """Find a secret that is right but for how it is written."""
    if not _can_be_near(trial):
        return None
    key = getattr(trial.scheme, "key", Key())
    for secret in trial.secrets:
        tried = {secret.reveal()}
        for text, words in near(secret.reveal(), key):
            if text in tried:
                continue
            tried.add(text)
            if trial.fits(made_secret(text, secret.name)):
                return Finding(
                    f"The secret in {place_of(secret)} is not written as the sender's: {words}.",
                    _mended(secret, text),
                )
    return None


def _mended(secret: Secret, text: bytes) -> str:
    """Say how to write a secret; what ends a line at the end of a file is not read."""
    if secret.name.startswith("file:") and text.endswith((b"\r", b"\n")):
        return (
            "Take the line break out of the secret at the sender: at the end of a file the relay "
            "takes it for the editor's."
        )
    return f"Write it into {place_of(secret)} just as it is at the sender."


def _can_be_near(trial: Trial) -> bool:
    """Say whether there is a secret that is a text: public keys are read before they count."""
    provider = trial.endpoint.provider
    return not provider.has_public_key and not provider.scheme.has_certificate


def of_someone_else(trial: Trial, others: Others) -> Finding | None:
    """Find another endpoint whose secret made the signature, or what else was taken for one."""
    own = {each.reveal() for each in trial.configured.secrets}
    for whose, secret in _others(trial, others):
        if secret.reveal() not in own and trial.fits(secret.without_bounds()):
            return Finding(
                f"It was signed with {whose} ({place_of(secret)}).",
                "Change the secret at the sender or here, or the URL that is registered there: the "
                "two belong together.",
            )
    return None


def _others(trial: Trial, others: Others) -> Iterator[tuple[str, Secret]]:
    token = trial.configured.verify_token
    if token is not None:
        yield "the endpoint's verify token", token
    left = MAX_OTHERS
    for name, secrets in others.items():
        if name != trial.configured.name:
            for secret in secrets[:left]:
                yield f"the secret of endpoint {name}", secret
            left -= len(secrets[:left])
