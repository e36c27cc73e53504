"""What one coding of a vaccine says: its diseases, and whether it is a vaccine at all."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from schemas.terminology.code_systems import (
    canonical_system,
    read_pinned,
    system_uris,
    variants_of,
)
from schemas.terminology.diseases import diseases_of
from schemas.terminology.judging import Verdict, judge_coding, pinned_codes

NotAVaccine = Literal["no-vaccine", "not-a-vaccine"]


@dataclass(frozen=True, slots=True)
class Vaccine:
    """What a coding of a vaccine says.

    Attributes:
        product: `(canonical system, code)`; None when the system holds no vaccines, or when the
            code says only that the product is unknown (NullFlavor).
        diseases: see `diseases_of`.
        verdict: see `judge_coding`.
        instead: what the code names where it names no vaccine: `no-vaccine` (CVX 998), or
            `not-a-vaccine` (a skin test, antibodies, an adjuvant).
    """

    product: tuple[str, str] | None
    diseases: tuple[str, ...]
    verdict: Verdict
    instead: NotAVaccine | None


def vaccine_of(system: str, code: str) -> Vaccine:
    """What the coding says; one look-up for a pinned code."""
    return _pinned().get((system, code)) or _read(system, code)


def _read(system: str, code: str) -> Vaccine:
    canonical = canonical_system(system)
    verdict = judge_coding("vaccine", system, code)
    is_product = verdict in {"known", "unknown-code"} and canonical != system_uris()["null-flavor"]
    return Vaccine(
        product=(canonical, code) if canonical is not None and is_product else None,
        diseases=diseases_of([(system, code)]),
        verdict=verdict,
        instead=_instead().get((canonical, code)),
    )


@cache
def _pinned() -> dict[tuple[str, str], Vaccine]:
    return {
        (uri, code): vaccine
        for system, code in pinned_codes("vaccine")
        for vaccine in (_read(system, code),)
        for uri in variants_of(system)
    }


@cache
def _instead() -> dict[tuple[str | None, str], NotAVaccine]:
    return {
        (system_uris()[key], code): why
        for why, by_system in read_pinned("vaccines")["no_dose"].items()
        for key, codes in by_system.items()
        for code in codes
    }
