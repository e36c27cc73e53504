"""What a basis is asked for: who would receive which record, where, and what for."""

from dataclasses import dataclass, field
from typing import Any

from schemas.record_traits import RecordTraits


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureRequest:
    """One disclosure that somebody would make (docs/consent.md section 1).

    Attributes:
        recipient: participant id.
        recipient_jurisdiction: its country (ISO 3166-1 alpha-2), or `*`.
        purpose: code of v3-ActReason; one outside the closed list is never permitted.
    """

    recipient: str
    recipient_jurisdiction: str
    purpose: str
    traits: RecordTraits = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """The request as JSON values, for the digest of a decision."""
        return {
            "recipient": self.recipient,
            "recipient_jurisdiction": self.recipient_jurisdiction,
            "purpose": self.purpose,
            **self.traits.to_json(),
        }
