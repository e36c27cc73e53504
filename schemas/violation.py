"""What a schema says when bytes are not what they claim to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from schemas.sentences.catalogue import LANGUAGES, say

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend in a message.

    Attributes:
        code: FHIR issue-type code (http://hl7.org/fhir/issue-type), such as `required`.
        expression: FHIRPath (or header name) of the element, without any value.
        text: one English sentence that says what was expected and how to mend it.
        severity: FHIR issue-severity; a message with none above `warning` is accepted.
        sentence: key of the sentence in the catalogue, for other languages; None has only `text`.
        words: what stands in the sentence's places.
    """

    code: str
    expression: str
    text: str
    severity: Severity = "error"
    sentence: str | None = None
    words: tuple[str, ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether it stops what it was found in."""
        return self.severity in {"fatal", "error"}

    def text_in(self, language: str) -> str:
        """The sentence in this language (ISO 639-1), in English if we do not have it."""
        if self.sentence is None or language == LANGUAGES[0]:
            return self.text
        try:
            return say(self.sentence, self.words, language)
        except (KeyError, IndexError):
            # A receipt of a newer exchange: its sentence is not in our catalogue.
            return self.text


def problem(
    sentence: str, code: str, expression: str, *words: str, severity: Severity = "error"
) -> Problem:
    """A problem whose sentence stands in the catalogue.

    Raises:
        KeyError: it does not.
    """
    return Problem(code, expression, say(sentence, words), severity, sentence, words)


class SchemaViolation(Exception):
    """Received bytes do not fit a schema; the problems say where, never what was sent."""

    def __init__(self, problems: Sequence[Problem] | Problem) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("; ".join(problem.text for problem in self.problems))
