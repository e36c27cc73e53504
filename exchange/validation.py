"""The one place where a record is judged before it may travel.

Today: FHIR structure as `fhir.resources` knows it, and the message profile. Complete and faster
validation replaces what stands behind `read_message`; nothing else in the exchange changes.
"""

from typing import Any

from exchange.errors import InvalidRecord
from schemas.fhir_message import FhirMessage, read_message
from schemas.violation import SchemaViolation


def read_record(tree: Any) -> FhirMessage:
    """What the message says, from strictly read JSON.

    Raises:
        InvalidRecord: it is not a FHIR R4 message that this exchange carries.
    """
    try:
        return read_message(tree)
    except SchemaViolation as violation:
        raise InvalidRecord(violation.problems) from None
