"""What a message must say about its traveller, so that the record can be found again.

Travellers without documents are served: a name is enough, and so is an identifier.
"""

from schemas.profile.context import Context, Resource
from schemas.profile.dates import check_birth, check_past
from schemas.violation import Problem, problem

#: Parts of an address that nobody behind the exchange needs (data minimisation).
_TOO_MUCH_ADDRESS = frozenset({"line", "text", "postalCode"})


def check_patient(patient: Resource, path: str, context: Context, found: list[Problem]) -> None:
    """Add what stops a Patient, or is worth mending."""
    if not _check_identifiers(patient, path, found) and not _has_name(patient):
        found.append(problem("profile.patient-unknown", "required", path))
    birth = patient.get("birthDate")
    if birth is not None:
        check_birth(birth, f"{path}.birthDate", context.received, found)
    else:
        found.append(
            problem(
                "profile.birth-date-missing", "incomplete", f"{path}.birthDate", severity="warning"
            )
        )
    died = patient.get("deceasedDateTime")
    if died is not None:
        check_past(died, f"{path}.deceased", context.received, found)
    for index, address in enumerate(patient.get("address", ())):
        if not _TOO_MUCH_ADDRESS.isdisjoint(address):
            found.append(
                problem(
                    "profile.address-not-needed",
                    "informational",
                    f"{path}.address[{index}]",
                    severity="information",
                )
            )


def _check_identifiers(patient: Resource, path: str, found: list[Problem]) -> bool:
    """Whether any identifier has a value."""
    has_value = False
    for index, identifier in enumerate(patient.get("identifier", ())):
        system = identifier.get("system")
        if "value" in identifier:
            has_value = True
        if system is None or "value" not in identifier:
            found.append(
                problem(
                    "profile.patient-identifier-incomplete",
                    "incomplete",
                    f"{path}.identifier[{index}]",
                    severity="warning",
                )
            )
    return has_value


def _has_name(patient: Resource) -> bool:
    return any(
        "family" in name or "given" in name or "text" in name for name in patient.get("name", ())
    )
