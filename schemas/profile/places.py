"""Does the message name the organisation that answers for the record, and the country?

Receivers decide by country whom they trust, and ask the organisation when something is unclear. The
maker of a vaccine is an Organization too, but answers for no record.
"""

from collections.abc import Iterator

from schemas.profile.context import Resource
from schemas.record_country import Entries, maker_of, record_country, stated_countries
from schemas.terminology.countries import country_of
from schemas.violation import Problem, Severity, problem

#: Resources that may name an organisation or a country.
PLACES = frozenset({"Location", "Organization", "PractitionerRole"})

#: `(path, fullUrl or None when contained, resource)`.
Placed = tuple[str, str | None, Resource]


def check_organization(
    focus: Resource,
    path: str,
    placed: list[Placed],
    entries: Entries,
    header: Resource,
    found: list[Problem],
) -> None:
    """Add an error when no Organization is named for the record."""
    maker = maker_of(focus, entries)
    for _, _, resource in placed:
        if resource["resourceType"] == "Organization" and resource is not maker:
            return
    if not any(map(_names_organization, _candidates(focus, placed, header))):
        found.append(problem("profile.organization-missing", "required", f"{path}.performer"))


def check_country(
    focus: Resource,
    path: str,
    placed: list[Placed],
    entries: Entries,
    found: list[Problem],
    *,
    most: Severity,
) -> None:
    """Add a problem when nobody can tell the country, or what is named is none."""
    country = record_country(focus, entries)
    named = list(_countries(focus, path, placed, maker_of(focus, entries)))
    wrong = [where for where, text in named if country_of(text) is None]
    found.extend(
        problem(
            "profile.country-not-code",
            "code-invalid",
            where,
            severity="warning" if country is not None else most,
        )
        for where in wrong
    )
    if country is None and not wrong:
        sentence = "profile.country-unclear" if named else "profile.country-missing"
        found.append(problem(sentence, "required", path, severity=most))


def check_extension_country(resource: Resource, path: str, found: list[Problem]) -> None:
    """Add an error when WHO's extension on this resource names no country."""
    found.extend(
        problem("profile.country-not-code", "code-invalid", f"{path}.extension[{index}]")
        for index, text in stated_countries(resource)
        if country_of(text) is None
    )


def _countries(
    focus: Resource, path: str, placed: list[Placed], maker: Resource | None
) -> Iterator[tuple[str, str]]:
    for where, _, place in placed:
        address = place.get("address")
        if address is None or place is maker:
            continue
        if isinstance(address, dict):
            if "country" in address:
                yield f"{where}.address.country", address["country"]
            continue
        for index, one in enumerate(address):
            if "country" in one:
                yield f"{where}.address[{index}].country", one["country"]
    for index, text in stated_countries(focus):
        yield f"{path}.extension[{index}]", text


def _candidates(focus: Resource, placed: list[Placed], header: Resource) -> Iterator[Resource]:
    """References that may name an Organization, with the type that their element implies."""
    for performer in focus.get("performer", ()):
        yield performer.get("actor", performer)
    for element in ("responsible", "sender"):
        if element in header:
            yield header[element]
    for _, _, place in placed:
        for element in ("managingOrganization", "organization"):
            if element in place:
                yield {"type": "Organization", **place[element]}


def _names_organization(reference: Resource) -> bool:
    if reference.get("type") != "Organization":
        return False
    return "identifier" in reference or "display" in reference
