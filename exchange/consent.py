"""Is there a basis? A pure decision over the consents on file (DESIGN section 4).

The rules, in order (STANDARDS 3.5):

    1. Of each consent only the latest version counts; versions are ordered by Consent.dateTime.
    2. A consent from the future (more than five minutes ahead) or outside its period says nothing.
    3. A consent says something only about the recipients, purposes and record types it names.
    4. An active deny, or a rejected consent, that applies beats every permit.
    5. An active permit that applies and was understood entirely is a basis. The latest wins.
    6. Anything else is no basis. Unknown means no.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from exchange.errors import ConsentRefused
from exchange.model import Basis, ConsentOnFile, Entitlement, Recipient
from schemas.consent_record import ConsentStatement
from schemas.violation import problem

CLOCK_SKEW = timedelta(minutes=5)

#: v3-ActReason: a permit for the general purpose covers these narrower ones, never the reverse.
_NARROWER = {
    "TREAT": frozenset({"TREAT", "ETREAT", "COC"}),
    "PUBHLTH": frozenset({"PUBHLTH", "THREAT", "DISASTER"}),
}


def entitlements_of(
    recipients: Iterable[Recipient],
    record_type: str,
    consents: Sequence[ConsentOnFile],
    at: datetime,
) -> tuple[Entitlement, ...]:
    """The recipients that a basis allows, each with its first allowed purpose.

    Raises:
        ConsentRefused: nobody is allowed. The text does not tell an absent consent from an
            expired, withdrawn or narrower one.
    """
    entitled = tuple(
        Entitlement(recipient.participant, purpose, basis)
        for recipient in recipients
        for purpose, basis in _first_allowed(recipient, record_type, consents, at)
    )
    if not entitled:
        raise ConsentRefused(problem("consent.no-basis", "forbidden", "Consent"))
    return entitled


def basis_for(
    recipient: str,
    purpose: str,
    record_type: str,
    consents: Sequence[ConsentOnFile],
    at: datetime,
) -> Basis | None:
    """The consent that permits, or None; see the rules in the module's docstring."""
    speaking = [
        on_file
        for on_file in _latest_versions(consents, at)
        if _speaks_about(on_file.statement, recipient, purpose, record_type, at)
    ]
    if any(_denies(on_file.statement) for on_file in speaking):
        return None
    permits = [on_file for on_file in speaking if _permits(on_file.statement)]
    if not permits:
        return None
    return max(permits, key=lambda on_file: on_file.statement.given_at).basis


def _first_allowed(
    recipient: Recipient, record_type: str, consents: Sequence[ConsentOnFile], at: datetime
) -> Iterable[tuple[str, Basis]]:
    for purpose in recipient.purposes:
        basis = basis_for(recipient.participant, purpose, record_type, consents, at)
        if basis is not None:
            return [(purpose, basis)]
    return []


def _latest_versions(consents: Sequence[ConsentOnFile], at: datetime) -> Iterable[ConsentOnFile]:
    latest: dict[str, ConsentOnFile] = {}
    for on_file in consents:
        statement = on_file.statement
        if statement.given_at > at + CLOCK_SKEW:
            continue
        standing = latest.get(statement.identity)
        # Equal times: the one that arrived later stands, and a stop beats a go.
        if standing is None or _order(on_file) >= _order(standing):
            latest[statement.identity] = on_file
    return latest.values()


def _order(on_file: ConsentOnFile) -> tuple[datetime, bool, int]:
    statement = on_file.statement
    return statement.given_at, not _permits(statement), on_file.basis.entry


def _speaks_about(
    statement: ConsentStatement, recipient: str, purpose: str, record_type: str, at: datetime
) -> bool:
    if statement.not_before is not None and at < statement.not_before:
        return False
    if statement.not_after is not None and at > statement.not_after:
        return False
    return (
        (not statement.recipients or recipient in statement.recipients)
        and (not statement.purposes or any(_covers(named, purpose) for named in statement.purposes))
        and (not statement.record_types or record_type in statement.record_types)
    )


def _covers(named: str, purpose: str) -> bool:
    return purpose in _NARROWER.get(named, frozenset({named}))


def _denies(statement: ConsentStatement) -> bool:
    return statement.status == "rejected" or (
        statement.status == "active" and not statement.permits
    )


def _permits(statement: ConsentStatement) -> bool:
    return statement.status == "active" and statement.permits and statement.usable_to_permit
