"""Who may break the glass, where, and what is then to be seen: steps 4 to 6 of `break_glass`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from exchange.consent.mandates import (
    is_forbidden,
    labels_by_law,
    policies_involved,
    policy_in_force,
    reaches_origin,
)
from exchange.consent.request import DisclosureRequest
from exchange.consent.rules import asked_of
from exchange.errors import BreakGlassRefused
from exchange.facts import Facts
from exchange.model import PendingDelivery
from exchange.ports import RecordOnFile
from exchange.recalls import is_withdrawal
from exchange.releasing import StoredRecord
from exchange.subjects import SubjectVault
from schemas.consent.purposes import BREAK_GLASS
from schemas.participant import Participant
from schemas.policy import Policy
from schemas.strict_json import read_json
from schemas.violation import problem


def places_open_to(
    participant: str, hours: int, policies: Sequence[Policy], at: datetime, *, is_approved: bool
) -> frozenset[str]:
    """The places of collection whose policy in force lets this participant do this.

    Args:
        participant: who asks.
        hours: for how long.
        policies: all that are deployed.
        at: the moment of the decision.
        is_approved: whether a second participant agreed.

    Raises:
        BreakGlassRefused: there is none; the text says what stands in the way.
    """
    in_force = (
        policy_in_force(policies, jurisdiction, at)
        for jurisdiction in {one.jurisdiction for one in policies}
    )
    naming = {
        policy.jurisdiction: policy.break_glass
        for policy in in_force
        if policy is not None
        and policy.break_glass is not None
        and participant in policy.break_glass.participants
    }
    if not naming:
        raise refused("break-glass.not-named")
    long_enough = {place: rule for place, rule in naming.items() if hours <= rule.max_hours}
    if not long_enough:
        raise refused("break-glass.too-long", str(max(one.max_hours for one in naming.values())))
    places = frozenset(
        place for place, rule in long_enough.items() if is_approved or not rule.second_approver
    )
    if not places:
        raise refused("break-glass.second-approver")
    return places


def to_be_seen(
    participant: Participant,
    places: frozenset[str],
    on_file: Sequence[RecordOnFile],
    facts: Facts,
    policies: Sequence[Policy],
    vault: SubjectVault,
    at: datetime,
) -> Iterator[tuple[PendingDelivery, StoredRecord]]:
    """What the participant may see, each as a delivery that is not numbered yet.

    Args:
        participant: who sees it.
        places: of collection, that are open to it.
        on_file: every version of every record about the traveller.
        facts: knows the newest versions.
        policies: all that are deployed; what one involved forbids stays hidden.
        vault: opens the records.
        at: the moment of the decision.
    """
    for one in on_file:
        traits = vault.traits_of(one.subject, one.sealed)
        # Where it was collected is not known, so nothing opens it.
        if traits is None or traits.collected_in not in places or not _is_newest(one, facts):
            continue
        request = DisclosureRequest(
            recipient=participant.id,
            recipient_jurisdiction=participant.jurisdiction,
            purpose=BREAK_GLASS,
            traits=traits,
        )
        involved = policies_involved(policies, request, at)
        asked = asked_of(request, labels_by_law(involved, request), at)
        if reaches_origin(request) or is_forbidden(involved, request, asked):
            continue
        message = read_json(vault.open(one.subject, one.sealed))
        if not is_withdrawal(message):
            yield (
                replace(one.pending, purpose=BREAK_GLASS, traits=traits),
                _stored(one, message),
            )


def refused(sentence: str, *words: str) -> BreakGlassRefused:
    """A refusal of the request as a whole."""
    return BreakGlassRefused(problem(sentence, "forbidden", "BreakGlassRequest", *words))


def _stored(one: RecordOnFile, message: dict[str, Any]) -> StoredRecord:
    return StoredRecord(one.subject, lambda: message)


def _is_newest(one: RecordOnFile, facts: Facts) -> bool:
    if one.pending.record is None:
        return True
    newest = facts.versions.get(one.pending.record)
    return newest is not None and newest.entry_index == one.pending.accepted_entry
