"""Where a delivery says that its certificate is: it is only fetched from the sender's own hosts."""

from relay.certificates.address import paypal_certificate, sns_certificate
from relay.explain.explanation import Finding
from relay.explain.trial import Trial
from relay.explain.words import cut
from relay.scheme import SnsSignature
from relay.verify.in_json import text_at


def is_from_elsewhere(trial: Trial) -> bool:
    """Say whether the certificate of a delivery would not be fetched from where it says."""
    if not trial.scheme.has_certificate or trial.request.body is None:
        return False
    if not isinstance(trial.scheme, SnsSignature):
        return paypal_certificate(_url_of(trial)) is None
    # The gateway looks at the topic first.
    is_own = text_at(trial.delivery.body, "TopicArn") in trial.endpoint.topics
    return is_own and sns_certificate(_url_of(trial)) is None


def from_elsewhere(trial: Trial) -> Finding:
    """Explain a delivery that names a certificate of nobody who may sign."""
    title, url = trial.endpoint.provider.title, _url_of(trial)
    at = f" but one at {cut(url, 100)}" if url else ""
    return Finding(
        f"The delivery names no certificate of {title}{at}.",
        f"Only what {title} has signed is taken; whoever sent this is someone else, or a proxy "
        "changed it.",
    )


def _url_of(trial: Trial) -> str:
    if isinstance(trial.scheme, SnsSignature):
        return text_at(trial.delivery.body, "SigningCertURL") or ""
    return trial.headers.get("paypal-cert-url", "").strip()
