"""Is this policy the one that its authority signed? A detached JWS beside the document's bytes."""

from exchange.errors import ConfigurationError, UntrustedSender
from exchange.signing import SigningKey, VerifyingKey, sign_detached, verify_detached
from schemas.envelope import POLICY, open_envelope
from schemas.policy import Policy, read_policy
from schemas.violation import SchemaViolation


def read_signed_policy(body: bytes, signature: str, key: VerifyingKey) -> Policy:
    """The policy, when the holder of this key signed exactly these bytes as one.

    Args:
        body: the document.
        signature: the detached JWS (`header..signature`).
        key: the authority's, as the operator of this exchange trusts it.

    Raises:
        ConfigurationError: the signature does not hold, or the bytes are no policy; the text names
            the member and the cure.
    """
    try:
        envelope = open_envelope(signature.strip())
        if envelope.header.content_type != POLICY:
            msg = f"The signature is not one of a policy: sign with cty {POLICY}."
            raise ConfigurationError(msg)
        verify_detached(envelope, body, key)
        return read_policy(body)
    except SchemaViolation as violation:
        told = [f"{one.expression}: {one.text}" for one in violation.problems]
        raise ConfigurationError(" ".join(told)) from None
    except UntrustedSender as refusal:
        raise ConfigurationError(str(refusal)) from None


def sign_policy(body: bytes, key: SigningKey, *, authority: str, issued_at: int) -> str:
    """The detached JWS over a policy's exact bytes.

    Args:
        body: the document.
        key: the authority's private key.
        authority: id of the authority, in the form of a participant's.
        issued_at: epoch second.

    Raises:
        SchemaViolation: the bytes are no policy.
    """
    policy = read_policy(body)
    place = "international" if policy.jurisdiction == "*" else policy.jurisdiction.lower()
    return sign_detached(
        key,
        body,
        issuer=authority,
        message_id=f"policy-{place}-{policy.version}",
        issued_at=issued_at,
        content_type=POLICY,
    )
