"""What a basis is asked for: who would receive which record, where, and what for."""

from dataclasses import dataclass, field

from schemas.canonical_json import canonical_text
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

    @property
    def canonical_text(self) -> str:
        """The request in RFC 8785 form, for the digest of a decision."""
        before, after = self.traits.canonical_halves
        own = (
            f'"purpose":{canonical_text(self.purpose)},'
            f'"recipient":{canonical_text(self.recipient)},'
            f'"recipient_jurisdiction":{canonical_text(self.recipient_jurisdiction)}'
        )
        return f"{{{before},{own},{after}}}"
