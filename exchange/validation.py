"""The one place where a record is judged before it may travel.

Two levels: `structure`, valid FHIR R4 4.0.1; `profile`, what this exchange accepts. The exchange
and `bhx validate` judge alike, because both come here.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from exchange.errors import InvalidRecord, MalformedMessage
from schemas.fhir_message import FhirMessage, read_everyday_message, read_message
from schemas.profile.display_safety import bidi_problems, may_turn_writing
from schemas.profile.profile import profile_problems
from schemas.structure import compiled, everyday
from schemas.structure.elements import is_resource_type
from schemas.structure.reading import read_resource
from schemas.violation import Problem, SchemaViolation

Level = Literal["structure", "profile"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to mend in one resource.

    Attributes:
        resource_type: as the resource names itself; None when it has no type of FHIR R4.
        problems: of every severity, in the order of the JSON.
        is_json: whether the bytes are strict JSON at all.
    """

    resource_type: str | None
    problems: tuple[Problem, ...]
    is_json: bool = True

    @property
    def is_valid(self) -> bool:
        """Whether nothing is worse than a warning."""
        return not any(one.is_error for one in self.problems)


def prepare() -> None:
    """Make ready what the first record would otherwise wait for: a second, once a process."""
    everyday.prepare()
    compiled.prepare()


def judge(data: bytes, *, level: Level, at: datetime, max_bytes: int) -> Judgement:
    """What is to mend in a resource, up to this level; never raises for any bytes.

    A resource whose structure is broken is not judged by the profile: its elements mean nothing.

    Args:
        data: one resource as JSON in UTF-8.
        level: how far to look.
        at: the time at which it counts as received; with a time zone.
        max_bytes: more are not read.
    """
    try:
        tree, problems = read_resource(data, max_bytes=max_bytes)
    except SchemaViolation as violation:
        return Judgement(None, violation.problems, is_json=False)
    structure = Judgement(_type_of(tree), tuple(problems))
    if level == "structure" or not structure.is_valid:
        return structure
    asked = (*profile_problems(tree, at), *_display_problems(data, tree))
    return Judgement(structure.resource_type, (*problems, *asked))


def read_record(data: bytes, *, at: datetime, max_bytes: int) -> FhirMessage:
    """What the message says, with its warnings.

    Raises:
        MalformedMessage: the bytes are not strict JSON.
        InvalidRecord: it is not a FHIR R4 message that this exchange carries.
    """
    if len(data) <= max_bytes and not may_turn_writing(data):
        message = read_everyday_message(data, at)
        if message is not None:
            return message
    try:
        tree, problems = read_resource(data, max_bytes=max_bytes)
    except SchemaViolation as violation:
        raise MalformedMessage(violation.problems) from None
    if any(one.is_error for one in problems):
        raise InvalidRecord(problems)
    display = _display_problems(data, tree)
    try:
        message = read_message(tree, at)
    except SchemaViolation as violation:
        raise InvalidRecord((*violation.problems, *display)) from None
    if display:
        raise InvalidRecord((*display, *message.warnings))
    return replace(message, warnings=(*problems, *message.warnings)) if problems else message


def _display_problems(data: bytes, tree: Any) -> list[Problem]:
    """Looked for only where the bytes could spell such a character: almost never."""
    return bidi_problems(tree, tree["resourceType"]) if may_turn_writing(data) else []


def _type_of(tree: Any) -> str | None:
    stated = tree.get("resourceType") if isinstance(tree, dict) else None
    return stated if isinstance(stated, str) and is_resource_type(stated) else None
