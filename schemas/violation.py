"""What a schema says when bytes are not what they claim to be."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend in a message.

    Attributes:
        code: FHIR issue-type code (http://hl7.org/fhir/issue-type), such as `required`.
        expression: FHIRPath (or header name) of the element, without any value.
        text: one English sentence that says what was expected and how to mend it.
    """

    code: str
    expression: str
    text: str


class SchemaViolation(Exception):
    """Received bytes do not fit a schema; the problems say where, never what was sent."""

    def __init__(self, problems: Sequence[Problem] | Problem) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("; ".join(problem.text for problem in self.problems))
