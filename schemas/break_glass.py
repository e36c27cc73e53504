"""Breaking the glass: who asks to see one traveller's records, who agrees, and why.

The request is signed by the participant and the approval by another. Neither holds anything of the
traveller but a commitment: the documents travel beside them, to the exchange alone, so both can be
kept for ever and the second approver learns no name.
"""

import json
from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.participant import ParticipantId
from schemas.wire_json import WireBytes, WireDocument

#: Why the glass may be broken; there are no other reasons.
BreakGlassReason = Literal["emergency-treatment", "unconscious-traveller", "outbreak-exposure"]

#: What a reviewer may find.
ReviewOutcome = Literal["justified", "unjustified"]

MOST_DOCUMENTS: Final = 10

GrantId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
_Digest = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]


class BreakGlassRequest(WireDocument):
    """Signed as a detached JWS over exactly its bytes (schemas.envelope, `BREAK_GLASS_REQUEST`).

    Attributes:
        grant: a random id that the participant chose; the same request is granted once.
        subject: commitment to the traveller's documents (`documents_bytes`).
        hours: for how long, from the moment it is granted.
    """

    v: Literal[1] = 1
    grant: GrantId
    participant: ParticipantId
    subject: _Digest
    reason: BreakGlassReason
    hours: Annotated[int, Field(ge=1, le=168)]
    at: AwareDatetime


class BreakGlassApproval(WireDocument):
    """Signed in the same way by the second approver (`BREAK_GLASS_APPROVAL`).

    Attributes:
        request: digest of the signed request, so that nothing in it can change afterwards.
    """

    v: Literal[1] = 1
    grant: GrantId
    approver: ParticipantId
    request: _Digest
    at: AwareDatetime


class TravelDocument(WireDocument):
    """A document that leads to a traveller."""

    system: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    value: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class SignedBreakGlass(WireDocument):
    """What goes to the second approver and back; nothing of the traveller can be read from it.

    Attributes:
        request: the exact bytes that `request_signature` covers.
        approval: the exact bytes that `approval_signature` covers, once there is one.
    """

    ABSENT_WHEN_NONE: ClassVar[tuple[str, ...]] = ("approval", "approval_signature")

    v: Literal[1] = 1
    request: WireBytes
    request_signature: Annotated[str, StringConstraints(max_length=4_096)]
    approval: WireBytes | None = None
    approval_signature: Annotated[str, StringConstraints(max_length=4_096)] | None = None


class BreakGlassOpening(SignedBreakGlass):
    """What the exchange is sent.

    Attributes:
        documents: any of the traveller's.
        salt: 32 random bytes, which open the request's commitment to the documents.
    """

    documents: Annotated[
        tuple[TravelDocument, ...], Field(min_length=1, max_length=MOST_DOCUMENTS, repr=False)
    ]
    salt: Annotated[WireBytes, Field(repr=False)]


def documents_bytes(documents: Iterable[TravelDocument]) -> bytes:
    """What a request commits to: the documents in order, as compact JSON in ASCII."""
    pairs = [[one.system, one.value] for one in documents]
    return json.dumps(pairs, separators=(",", ":"), ensure_ascii=True).encode()
