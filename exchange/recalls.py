"""Who is told to stop using what they received: exactly those whose basis fell away.

A consent that is withdrawn or narrowed recalls the deliveries that nothing permits any more; a
record entered in error recalls every version of it. A notice is a delivery like any other:
numbered, in the trail, proven, acknowledged; the recipient answers it with a signed "ceased" or
"deleted".
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from exchange.consent.mandates import policy_in_force
from exchange.facts import Facts
from exchange.model import (
    ConsentOnFile,
    Disclosed,
    Entitlement,
    OpenedMessage,
    PendingDelivery,
    RecallCause,
    Refused,
)
from schemas.fhir_names import IMMUNIZATION_WITHDRAWN, LABRESULT_WITHDRAWN
from schemas.policy import Policy

WITHDRAWALS: Final = frozenset({IMMUNIZATION_WITHDRAWN, LABRESULT_WITHDRAWN})

#: Where no policy states another.
USUAL_DEADLINE: Final = timedelta(hours=72)


def deadline_of(policies: Sequence[Policy], jurisdiction: str, at: datetime) -> datetime:
    """Until when a recall is to be answered, by the policy of the place of collection."""
    policy = policy_in_force(policies, jurisdiction, at)
    if policy is None or policy.recall_deadline_hours is None:
        return at + USUAL_DEADLINE
    return at + timedelta(hours=policy.recall_deadline_hours)


def may_recall(opened: Iterable[OpenedMessage | Refused], facts: Facts) -> list[str]:
    """Subjects whose earlier deliveries have to be looked at again, because of these messages.

    A first permit takes nothing from anybody; asking for every message would cost each a query.
    """
    found: dict[str, None] = {}
    for one in opened:
        if isinstance(one, Refused):
            continue
        known = [subject.subject_id for subject in facts.known_subjects(one.subject_tokens)]
        if not known:
            continue
        on_file = facts.consents_of(known)
        if one.message.event in WITHDRAWALS or _may_narrow(one, on_file):
            found.update(dict.fromkeys(known))
    return list(found)


def _may_narrow(opened: OpenedMessage, on_file: Sequence[ConsentOnFile]) -> bool:
    identities = {one.statement.identity for one in on_file}
    return any(
        statement.identity in identities
        or statement.replaces is not None
        or not statement.only_permits
        for statement in opened.message.consents
    )


def recalled_by(
    opened: OpenedMessage,
    disclosed: Iterable[Disclosed],
    again: Callable[[PendingDelivery], Entitlement | None],
) -> Iterator[tuple[Disclosed, RecallCause]]:
    """The deliveries that this accepted message recalls, and why.

    Args:
        opened: its consents are among the facts that `again` asks.
        disclosed: let out about this traveller and not recalled.
        again: the basis on which a delivery may stay where it went.
    """
    is_withdrawn = opened.message.event in WITHDRAWALS and opened.record is not None
    for one in disclosed:
        if is_withdrawn and one.pending.record == opened.record:
            yield one, "entered-in-error"
        elif opened.message.consents and again(one.pending) is None:
            yield one, "consent-withdrawn"
