"""What somebody who enters must show, as data: one disease, one kind of record, and its limits."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from schemas.strict_json import read_json
from schemas.terminology.diseases import disease_keys, further_disease_keys
from schemas.violation import SchemaViolation, problem

_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/-]{1,128}$")]
_Days = Annotated[int, Field(ge=0, le=150 * 366)]


class Requirement(BaseModel):
    """One requirement.

    Attributes:
        id: its name at whoever made it.
        version: of its text; a verdict names it, so that a reader can tell how fresh the rule is.
        disease: key of our terminology.
        kind: what must be shown.
        minimum_doses: for a vaccination, how many doses at least.
        result: for a test, which result; a vaccination has none.
        minimum_age_days: how long ago at least, such as 10 days for yellow fever.
        maximum_age_days: how long ago at most; absent for ever.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: _Name
    version: _Name
    disease: str
    kind: Literal["immunization", "labresult"]
    minimum_doses: Annotated[int, Field(ge=1, le=20)] = 1
    result: Literal["detected", "not-detected"] | None = None
    minimum_age_days: _Days = 0
    maximum_age_days: _Days | None = None

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if self.disease not in {*disease_keys(), *further_disease_keys()}:
            msg = "a disease of our terminology"
            raise ValueError(msg)
        if (self.kind == "labresult") != (self.result is not None):
            msg = "a test has a result, and a vaccination none"
            raise ValueError(msg)
        if self.maximum_age_days is not None and self.maximum_age_days < self.minimum_age_days:
            msg = "at most is not less than at least"
            raise ValueError(msg)
        return self


def read_requirement(data: bytes) -> Requirement:
    """The requirement that a JSON document states.

    Raises:
        SchemaViolation: it is none; the document says its members.
    """
    document: Any = read_json(data)
    try:
        return Requirement.model_validate(document)
    except ValidationError as error:
        # The library's own text quotes what was sent.
        places = {".".join(str(part) for part in one["loc"]) or "$this" for one in error.errors()}
        members = ", ".join(Requirement.model_fields)
        raise SchemaViolation(
            [
                problem("requirement.member", "invalid", _known(place), members)
                for place in sorted(places)
            ]
        ) from None


def _known(place: str) -> str:
    """The member, if it is one of ours: a name that was sent is never repeated."""
    return place if place in Requirement.model_fields else "$this"
