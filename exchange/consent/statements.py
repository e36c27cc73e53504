"""Which statements are in force at a moment (docs/consent.md section 5)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from exchange.model import ConsentOnFile
from schemas.consent.statement import ConsentStatement

CLOCK_SKEW: Final = timedelta(minutes=5)

#: Later than any consent that the trail has: an entry that is only about to be written.
_NOT_YET_ENTERED: Final = 2**63


def in_force(
    consents: Sequence[ConsentOnFile], at: datetime, *, is_minor: bool | None
) -> list[ConsentOnFile]:
    """The statements that say something, the latest first; of equal times the last to arrive.

    Args:
        consents: all on file, in the order in which they arrived.
        at: the moment of the decision.
        is_minor: whether the traveller is under age; a representative speaks for nobody else.
    """
    speaking = [
        one
        for one in _latest_versions(consents, at)
        if one.statement.status in {"active", "rejected"}
    ]
    replacing = [one for one in speaking if one.statement.replaces is not None]
    if not replacing:
        return speaking
    replaced = {
        other.statement.identity
        for one in replacing
        if may_permit(one.statement, is_minor)
        for other in speaking
        if other.statement.identity == one.statement.replaces
        and other.statement.given_at < one.statement.given_at
    }
    return [one for one in speaking if one.statement.identity not in replaced]


def may_permit(statement: ConsentStatement, is_minor: bool | None) -> bool:
    """Whether the statement has any power to permit: understood, and given by who may give it."""
    return (
        statement.status == "active"
        and statement.is_usable
        and (not statement.of_representative or is_minor is True)
    )


def _latest_versions(consents: Sequence[ConsentOnFile], at: datetime) -> list[ConsentOnFile]:
    """The standing version of each consent, in the order of the decision."""
    latest: dict[str, tuple[tuple[datetime, bool, int, int], ConsentOnFile]] = {}
    for position, on_file in enumerate(consents):
        statement = on_file.statement
        if statement.given_at - at > CLOCK_SKEW:
            continue
        entry = on_file.basis.entry
        arrived = entry if entry >= 0 else _NOT_YET_ENTERED
        order = (statement.counts_from, statement.is_stop, arrived, position)
        standing = latest.get(statement.identity)
        if standing is None or order > standing[0]:
            latest[statement.identity] = (order, on_file)
    ordered = sorted(
        latest.values(),
        key=lambda one: (one[1].statement.given_at, one[0][2], one[0][3]),
        reverse=True,
    )
    return [on_file for _, on_file in ordered]
