"""Answers the requests with which senders try an endpoint; none of them becomes an event.

A request comes in, the answer goes out, or none where it is no handshake. What a preset says of its
sender's handshakes is all that is known of them here. Only what is kept for an operator, or
confirmed at the sender, takes more than this process.

Source: docs/how-to/answer-handshakes.md.
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from hmac import compare_digest

from relay.contract.errors import HandshakeRefused, MethodNotAllowed, SignatureRefused
from relay.delivery import Delivery, VerifiedDelivery
from relay.endpoint import Endpoint, Secret
from relay.handshake.answer import KEYED, Answered, checked, made
from relay.handshake.asked import MAX_BODY_BYTES, Asked
from relay.provider import Handshake
from relay.verify import check_secret

__all__ = ["MAX_BODY_BYTES", "Answered", "Asked", "Handshakes"]

# Takes a secret for an operator to accept.
Keep = Callable[[str, str], Awaitable[None]]
# Confirms a verified delivery at its sender.
Confirm = Callable[[Delivery], Awaitable[None]]


async def _refuse(*_: object) -> None:
    raise HandshakeRefused


@dataclass(frozen=True, slots=True)
class Handshakes:
    """Answers handshakes.

    Args:
        keep: Takes endpoint and secret, for an operator to accept; refuses by default.
        confirm: Confirms a request at its sender; where there is none, it is refused.
    """

    keep: Keep = _refuse
    confirm: Confirm | None = None

    async def at_head(self, asked: Asked) -> Answered | None:
        """Answer what can be told before the body is read.

        Raises:
            MethodNotAllowed: It is no POST, and no handshake of this sender has the method.
            HandshakeRefused: It is one, but not as it should be.
            StoreUnavailable: Its secret could not be kept.
        """
        shaken = asked.endpoint.provider.handshakes
        found = _of(asked, (handshake for handshake in shaken if handshake.is_in_head))
        if found is not None:
            return await self._answer(found, asked)
        if asked.method == "POST":
            return None
        methods = sorted({handshake.method for handshake in shaken} - {"POST"})
        if asked.method in methods:
            raise HandshakeRefused
        raise MethodNotAllowed("POST", *methods)

    async def unsigned(self, asked: Asked) -> Answered | None:
        """Answer what only the body tells, and nothing proves.

        Raises:
            HandshakeRefused: It is a handshake, but not as it should be.
            StoreUnavailable: Its secret could not be kept.
        """
        found = _of(asked, filter(_is_unsigned, asked.endpoint.provider.handshakes))
        return None if found is None else await self._answer(found, asked)

    async def signed(self, verified: VerifiedDelivery) -> Answered | None:
        """Answer what the sender has signed.

        Raises:
            DeliveryRefused: It is a handshake, but not as it should be, or not confirmed.
        """
        delivery = verified.delivery
        endpoint, shaken = delivery.endpoint, delivery.endpoint.provider.handshakes
        _refuse_our_own(delivery)
        asked = Asked(endpoint, delivery.method, delivery.headers, delivery.query, delivery.body)
        found = _of(asked, (each for each in shaken if each.guard == "signature"))
        if found is None:
            return None
        challenge = _challenge(found, asked)
        if found.then == "confirm":
            if self.confirm is None:
                raise HandshakeRefused
            await self.confirm(delivery)
        # The sender expects the answer made with the secret with which it has signed.
        return made(found, challenge, verified.secret if found.is_keyed else None)

    async def _answer(self, handshake: Handshake, asked: Asked) -> Answered:
        endpoint = asked.endpoint
        challenge = _challenge(handshake, asked)
        if handshake.guard == "token":
            _check_token(endpoint, asked.value(handshake.token))
        if handshake.guard == "origin" and not {challenge.lower(), "*"} & endpoint.origins:
            raise HandshakeRefused
        if handshake.then == "keep" and not _is_known(endpoint, challenge):
            await self.keep(endpoint.name, challenge)
        counting = endpoint.secrets_at(time.time_ns() // 1_000_000)
        return made(handshake, challenge, next(iter(counting), None))


def _of(asked: Asked, handshakes: Iterable[Handshake]) -> Handshake | None:
    return next((handshake for handshake in handshakes if asked.is_of(handshake)), None)


def _is_unsigned(handshake: Handshake) -> bool:
    return handshake.guard != "signature" and not handshake.is_in_head


def _challenge(handshake: Handshake, asked: Asked) -> str:
    if not handshake.has_challenge:
        return ""
    return checked(handshake, asked.value(handshake.challenge_place))


def _check_token(endpoint: Endpoint, token: object) -> None:
    expected = endpoint.verify_token
    given = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else b""
    if expected is None or not compare_digest(expected.reveal(), given):
        raise HandshakeRefused


def _is_known(endpoint: Endpoint, challenge: str) -> bool:
    """Say whether a secret is the endpoint's already; one that cannot be any is refused."""
    secret = Secret(challenge, "handshake")
    try:
        check_secret(endpoint.provider.scheme, secret)
    except ValueError:
        raise HandshakeRefused from None
    known = False
    for active in endpoint.secrets:
        known |= compare_digest(active.reveal(), secret.reveal())
    return known


def _refuse_our_own(delivery: Delivery) -> None:
    """Refuse a body whose signature could be an answer that anyone can have of us.

    Raises:
        SignatureRefused: It could.
    """
    shaken = delivery.endpoint.provider.handshakes
    if any(each.is_keyed and each.guard == "none" for each in shaken) and KEYED.fullmatch(
        delivery.body.decode("latin-1")
    ):
        raise SignatureRefused("signature_mismatch")
