"""Refusals for which no signature was at fault: a sentence for each reason."""

from relay.explain.explanation import Explanation, Finding

_FINDINGS = {
    "malformed_request": Finding(
        "What came is no HTTP, or leaves open where one request ends.",
        "Look at what stands between the sender and the relay.",
    ),
    "unknown_endpoint": Finding(
        "No endpoint has the name in the URL.",
        "Register the URL that ends with the endpoint's name.",
    ),
    "method_not_allowed": Finding(
        "The request had a method that the endpoint does not take.",
        "Deliveries are sent by POST: a browser or a check of the URL sends GET, and a redirect "
        "makes a GET of a POST.",
    ),
    "body_incomplete": Finding(
        "The body did not arrive whole in its time.",
        "The sender or the network was too slow, or ended the connection; it comes again.",
    ),
    "body_too_large": Finding(
        "The body is longer than the relay takes.",
        "Raise max_body_bytes, or have the sender send less.",
    ),
    "handshake_refused": Finding(
        "The request by which the sender tries the endpoint was not as it should be.",
        "Compare the verify token, or the origins, of the endpoint with what is set at the sender.",
    ),
    "too_many_secrets": Finding(
        "As many secrets wait for an operator as may, and this one found no room.",
        "Accept or drop those that wait, and have the sender try again.",
    ),
    "certificate_unavailable": Finding(
        "The sender's certificate could not be fetched, so nothing was judged.",
        "See that the relay reaches the sender's host by HTTPS; the sender comes again.",
    ),
    "rate_limited": Finding(
        "The endpoint had taken as many deliveries as its operator wants.",
        "The sender comes again; raise the endpoint's rate if it is too low.",
    ),
}
_ANY = Finding(
    "The delivery was refused for a reason that has nothing to do with its signature.",
    "Look the reason up in the reference of the HTTP answers.",
)


def unsigned(reason: str) -> Explanation:
    """Say what is behind a reason that is not a signature's."""
    finding = _FINDINGS.get(reason, _ANY)
    return Explanation(cause=finding.cause, remedy=finding.remedy, verdict="not_judged")
