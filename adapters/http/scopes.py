"""What a logged-in participant may do: SMART scopes by role."""

from schemas.consent import purposes
from schemas.participant import Participant, Role

RECEIPTS = "system/receipts.r"
DELIVERIES = "system/deliveries.r"
ACKNOWLEDGEMENTS = "system/acknowledgements.c"
BREAK_GLASS = "system/break-glass.c"
TRAIL = "system/trail.r"
SLIPS = "system/slips.c"
DISCLOSURES = "system/disclosures.r"
PARTICIPANTS = "system/participants.r"

SCOPES = {
    RECEIPTS: "Read the receipts of one's own messages.",
    DELIVERIES: "Read one's own deliveries.",
    ACKNOWLEDGEMENTS: "Acknowledge one's own deliveries, and answer recalls of them.",
    BREAK_GLASS: "Break the glass, where a policy names the participant.",
    TRAIL: "Read the entries of the trail, and how recalls stand.",
    SLIPS: "Issue slips for the travellers of one's own messages.",
    DISCLOSURES: "Read who received what about a traveller.",
    PARTICIPANTS: "Read the directory; every participant may.",
}

_OF_ROLE: dict[Role, tuple[str, ...]] = {
    "publisher": (RECEIPTS, SLIPS),
    "subscriber": (DELIVERIES, ACKNOWLEDGEMENTS),
    "auditor": (TRAIL,),
    "operator": (DISCLOSURES,),
    "witness": (),
}


def scopes_of(participant: Participant) -> tuple[str, ...]:
    """Every scope that the participant's roles, and the purpose BTG, give it."""
    given = [scope for role in participant.roles for scope in _OF_ROLE[role]]
    if "subscriber" in participant.roles and purposes.BREAK_GLASS in participant.purposes:
        given.append(BREAK_GLASS)
    return tuple(dict.fromkeys([*given, PARTICIPANTS]))
