"""What a basis is decided on: the traits of one record that consents and policies speak about.

docs/consent.md section 1 says what each member means. They are health data: in the store they lie
under the traveller's key, and in the trail only under a salt.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from schemas.canonical_json import canonical_text

RecordClass = Literal["Immunization", "Observation", "DiagnosticReport"]

#: Lowest first (v3-Confidentiality).
CONFIDENTIALITY = ("U", "L", "M", "N", "R", "V")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordTraits:
    """One record, as consents and policies see it.

    Attributes:
        author: participant id of the publisher.
        collected_in: the publisher's country (ISO 3166-1 alpha-2), or `*`.
        record_class: type of the focus.
        record: `system|value` of its business identifier.
        codes: `(system, code)` of the focus's code, vaccine, target diseases and results.
        diseases: keys of our terminology.
        date: first and last instant of when it happened (UTC), or None when it is not stated.
        confidentiality: the highest v3-Confidentiality label.
        labels: sensitivity labels (v3-ActCode) of the focus.
        part_labels: those of other parts that the focus does not carry.
        origins: countries that issued the traveller's documents, as far as known.
        is_minor: under age where it was collected; None when that is not known.
    """

    author: str = field(repr=False)
    collected_in: str = field(repr=False)
    record_class: RecordClass = field(repr=False)
    record: str | None = field(default=None, repr=False)
    codes: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    diseases: tuple[str, ...] = field(default=(), repr=False)
    date: tuple[datetime, datetime] | None = field(default=None, repr=False)
    confidentiality: str = field(default="N", repr=False)
    labels: tuple[str, ...] = field(default=(), repr=False)
    part_labels: tuple[str, ...] = field(default=(), repr=False)
    origins: tuple[str, ...] = field(default=(), repr=False)
    is_minor: bool | None = field(default=None, repr=False)

    _halves: tuple[str, str] | None = field(default=None, init=False, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The traits as JSON values: lists sorted, times RFC 3339 UTC with microseconds."""
        return {
            "author": self.author,
            "collected_in": self.collected_in,
            "record_class": self.record_class,
            "record": self.record,
            "codes": sorted([system, code] for system, code in self.codes),
            "diseases": sorted(self.diseases),
            "date": [_written(one) for one in self.date] if self.date else None,
            "confidentiality": self.confidentiality,
            "labels": sorted(self.labels),
            "part_labels": sorted(self.part_labels),
            "origins": sorted(self.origins),
            "is_minor": self.is_minor,
        }

    @property
    def canonical_text(self) -> str:
        """The traits in RFC 8785 form; what `from_json` reads, as JSON text."""
        return f"{{{','.join(self.canonical_halves)}}}"

    @property
    def canonical_halves(self) -> tuple[str, str]:
        """Their members in RFC 8785 form, before and after a request's own (section 8).

        Written once: a record is asked about for each recipient and purpose.
        """
        if self._halves is None:
            members = self.to_json()
            record, name = (canonical_text(members.pop(one)) for one in ("record", "record_class"))
            before = canonical_text(members).removeprefix("{").removesuffix("}")
            halves = (before, f'"record":{record},"record_class":{name}')
            object.__setattr__(self, "_halves", halves)
            return halves
        return self._halves

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "RecordTraits":
        """The traits that `to_json` wrote."""
        date = values["date"]
        return cls(
            author=values["author"],
            collected_in=values["collected_in"],
            record_class=values["record_class"],
            record=values["record"],
            codes=tuple((system, code) for system, code in values["codes"]),
            diseases=tuple(values["diseases"]),
            date=(_read(date[0]), _read(date[1])) if date else None,
            confidentiality=values["confidentiality"],
            labels=tuple(values["labels"]),
            part_labels=tuple(values["part_labels"]),
            origins=tuple(values["origins"]),
            is_minor=values["is_minor"],
        )


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
