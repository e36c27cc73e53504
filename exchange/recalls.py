"""Who is told to stop using what they received: exactly those whose basis fell away.

A consent that is withdrawn or narrowed recalls the deliveries that nothing permits any more; a
record entered in error recalls every version of it. A notice is a delivery like any other:
numbered, in the trail, proven, acknowledged; the recipient answers it with a signed "ceased" or
"deleted".
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from exchange.consent.mandates import policy_in_force
from exchange.facts import Facts
from exchange.model import (
    Disclosed,
    Entitlement,
    OpenedMessage,
    PendingDelivery,
    RecallCause,
    Refused,
)
from schemas.consent.statement import ConsentStatement
from schemas.fhir_names import IMMUNIZATION_WITHDRAWN, LABRESULT_WITHDRAWN
from schemas.policy import Policy

WITHDRAWALS: Final = frozenset({IMMUNIZATION_WITHDRAWN, LABRESULT_WITHDRAWN})

#: On what basis a delivery may stay where it went; None when there is none.
Again = Callable[[PendingDelivery], Entitlement | None]

#: Where no policy states another.
USUAL_DEADLINE: Final = timedelta(hours=72)


def is_withdrawal(message: dict[str, Any]) -> bool:
    """Whether a message that was accepted, and so has an event, says "entered in error"."""
    return message["entry"][0]["resource"]["eventCoding"]["code"] in WITHDRAWALS


def deadline_of(policies: Sequence[Policy], jurisdiction: str, at: datetime) -> datetime:
    """Until when a recall is to be answered, by the policy of the place of collection."""
    policy = policy_in_force(policies, jurisdiction, at)
    if policy is None or policy.recall_deadline_hours is None:
        return at + USUAL_DEADLINE
    return at + timedelta(hours=policy.recall_deadline_hours)


def may_recall(opened: Iterable[OpenedMessage | Refused], facts: Facts) -> list[str]:
    """Subjects whose earlier deliveries have to be looked at again, because of these messages.

    A first permit takes nothing from anybody; asking for every message would cost each a query.
    Messages of one batch may join documents, so those about one traveller are looked at together.
    A withdrawal also reaches whoever the record was about before: a traveller without documents is
    new in every message, and wrong documents may be the very error.
    """
    messages = [one for one in opened if isinstance(one, OpenedMessage)]
    found: dict[str, None] = {}
    for one in messages:
        if _withdraws(one) and one.record in facts.versions:
            found[facts.versions[one.record].subject_id] = None
    for group in _by_traveller(messages):
        tokens = [token for one in group for token in one.subject_tokens]
        known = [subject.subject_id for subject in facts.known_subjects(tokens)]
        if not known:
            continue
        on_file = [one.statement for one in facts.consents_of(known)]
        for one in group:
            if len(known) > 1 or _takes_back(one, on_file):
                found.update(dict.fromkeys(known))
            on_file.extend(one.message.consents)
    return list(found)


def takes_back(opened: OpenedMessage, facts: Facts) -> bool:
    """Whether this message may take from somebody what was let out; asked before it is entered.

    A withdrawal may; so may a consent that is not the first word of its kind, and a message that
    shows two travellers to be one, because what one of them denied then counts for both.
    """
    known = [subject.subject_id for subject in facts.known_subjects(opened.subject_tokens)]
    on_file = [one.statement for one in facts.consents_of(known)]
    return len(known) > 1 or _takes_back(opened, on_file)


def is_received_in_error(opened: OpenedMessage, facts: Facts) -> bool:
    """Whether this message withdraws a record that somebody has.

    It then has to be taken, though nothing lets it be shown to anybody any more.
    """
    return any(True for _ in received_in_error(opened, facts.disclosed.values()))


def received_in_error(
    opened: OpenedMessage, disclosed: Iterable[Iterable[Disclosed]]
) -> Iterator[Disclosed]:
    """Of these, the versions of the record that this message withdraws, whomever they are about."""
    if not _withdraws(opened):
        return
    for shown in disclosed:
        yield from (one for one in shown if one.pending.record == opened.record)


def recalled_by(
    opened: OpenedMessage,
    disclosed: Iterable[Disclosed],
    held: Mapping[str, Again],
) -> Iterator[tuple[Disclosed, RecallCause]]:
    """The deliveries that this accepted message recalls, and why.

    Args:
        opened: its consents are among the facts that the functions in `held` ask.
        disclosed: let out about this traveller, or of this record, and not recalled.
        held: those that had a basis just before this message, by id, each with what found it.
    """
    for one in disclosed:
        if _withdraws(opened) and one.pending.record == opened.record:
            yield one, "entered-in-error"
            continue
        again = held.get(one.pending.delivery_id)
        if again is not None and again(one.pending) is None:
            yield one, "consent-withdrawn"


def _withdraws(opened: OpenedMessage) -> bool:
    return opened.message.event in WITHDRAWALS and opened.record is not None


def _takes_back(opened: OpenedMessage, on_file: Sequence[ConsentStatement]) -> bool:
    if opened.message.event in WITHDRAWALS:
        return True
    return any(_may_narrow(one, on_file) for one in opened.message.consents)


def _may_narrow(statement: ConsentStatement, on_file: Sequence[ConsentStatement]) -> bool:
    versions = [one for one in on_file if one.identity == statement.identity]
    if versions:
        # Saying the last version once more changes nothing.
        return versions[-1] != statement
    return statement.replaces is not None or not statement.only_permits


def _by_traveller(opened: Iterable[OpenedMessage]) -> Iterable[list[OpenedMessage]]:
    """The messages in groups: those of a group share documents, directly or over others."""
    leads_to: dict[bytes, bytes] = {}

    def end_of(token: bytes) -> bytes:
        while leads_to[token] != token:
            token = leads_to[token]
        return token

    named = [one for one in opened if one.subject_tokens]
    for one in named:
        for token in one.subject_tokens:
            leads_to.setdefault(token, token)
            leads_to[end_of(token)] = end_of(one.subject_tokens[0])
    groups: dict[bytes, list[OpenedMessage]] = {}
    for one in named:
        groups.setdefault(end_of(one.subject_tokens[0]), []).append(one)
    return groups.values()
