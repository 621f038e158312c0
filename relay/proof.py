"""What a scheme proves of a delivery, for what follows from it: identity, types, what is needed."""

from relay.contract.event import Assurance


class Proof:
    """What a scheme proves, unless it says otherwise: the sender, and nothing of what was sent."""

    __slots__ = ()

    @property
    def assurance(self) -> Assurance:
        """What a delivery has proved that passes."""
        return "sender"

    @property
    def signs_values(self) -> bool:
        """Whether only the sender can have written the ids and types in the body."""
        return self.assurance == "body"

    @property
    def signed_headers(self) -> frozenset[str]:
        """Names of the headers that are signed."""
        return frozenset()

    @property
    def signs_url(self) -> bool:
        """Whether the URL is signed, which only the operator knows as its sender does."""
        return False

    @property
    def signs_time(self) -> bool:
        """Whether a delivery says, signed, when it was made."""
        return False

    @property
    def has_certificate(self) -> bool:
        """Whether the certificate must be there before anything is verified."""
        return False

    @property
    def secret_parameter(self) -> str:
        """The parameter of the query that is the secret itself, never kept; empty for none."""
        return ""


class BodyProof(Proof):
    """The bytes of the body are signed."""

    __slots__ = ()

    @property
    def assurance(self) -> Assurance:
        """What a delivery has proved that passes."""
        return "body"


class CertifiedProof(Proof):
    """The key is in a certificate that the delivery names, and the time is signed with the rest."""

    __slots__ = ()

    @property
    def has_certificate(self) -> bool:
        """Whether the certificate must be there before anything is verified: it must."""
        return True

    @property
    def signs_time(self) -> bool:
        """Whether a delivery says, signed, when it was made."""
        return True
