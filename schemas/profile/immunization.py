"""What a vaccination must say to be exchanged (STANDARDS 2.2, exchange minimal profile)."""

from schemas.profile.coded import check_concept
from schemas.profile.context import Context, Resource
from schemas.profile.dates import check_past, surely_before
from schemas.violation import Problem, Severity, problem


def check_immunization(
    immunization: Resource, path: str, context: Context, found: list[Problem]
) -> None:
    """Add what stops an Immunization, or is worth mending; lot and manufacturer may be absent."""
    is_void = immunization.get("status") == "entered-in-error"
    # A withdrawal must never be harder to send than what it withdraws.
    most: Severity = "warning" if is_void else "error"
    if "vaccineCode" in immunization:
        concept = immunization["vaccineCode"]
        check_concept(concept, "vaccine", f"{path}.vaccineCode", found, most=most)
    for element in ("route", "site"):
        if element in immunization:
            check_concept(
                immunization[element],
                "route" if element == "route" else "site",
                f"{path}.{element}",
                found,
                most="warning",
            )
    if "occurrenceDateTime" in immunization:
        _check_occurrence(immunization, path, context, found)
    elif immunization.get("status") not in {"entered-in-error", "not-done"}:
        found.append(problem("profile.occurrence-not-dated", "required", f"{path}.occurrence"))
    for index, protocol in enumerate(immunization.get("protocolApplied", ())):
        _check_protocol(protocol, f"{path}.protocolApplied[{index}]", found, most)


def _check_occurrence(
    immunization: Resource, path: str, context: Context, found: list[Problem]
) -> None:
    given: str = immunization["occurrenceDateTime"]
    where = f"{path}.occurrence"
    check_past(given, where, context.received, found)
    if context.birth is not None and surely_before(given, context.birth):
        found.append(problem("profile.before-birth", "business-rule", where))
    if context.death is not None and surely_before(context.death, given):
        found.append(problem("profile.after-death", "business-rule", where))
    expires = immunization.get("expirationDate")
    if expires is not None and surely_before(expires, given):
        found.append(
            problem(
                "profile.expired-vaccine",
                "business-rule",
                f"{path}.expirationDate",
                severity="warning",
            )
        )
    recorded = immunization.get("recorded")
    if recorded is not None:
        check_past(recorded, f"{path}.recorded", context.received, found)
        if surely_before(recorded, given):
            found.append(
                problem(
                    "profile.recorded-before-given",
                    "business-rule",
                    f"{path}.recorded",
                    severity="warning",
                )
            )


def _check_protocol(protocol: Resource, path: str, found: list[Problem], most: Severity) -> None:
    dose, series = protocol.get("doseNumberPositiveInt"), protocol.get("seriesDosesPositiveInt")
    if isinstance(dose, int) and isinstance(series, int) and dose > series:
        found.append(
            problem(
                "profile.dose-beyond-series",
                "business-rule",
                f"{path}.doseNumber",
                severity="warning",
            )
        )
    for index, disease in enumerate(protocol.get("targetDisease", ())):
        check_concept(disease, "target-disease", f"{path}.targetDisease[{index}]", found, most=most)
