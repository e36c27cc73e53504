"""Does the message name the organisation that answers for the record, and the country?

Receivers decide by country whom they trust, and ask the organisation when something is unclear. The
maker of a vaccine is an Organization too, but answers for no record.
"""

from collections.abc import Iterator
from typing import Any

from schemas.profile.context import Resource
from schemas.terminology.countries import country_of
from schemas.violation import Problem, Severity, problem

#: WHO's extensions for the country of an event (DDCC), by the last part of their URL.
_COUNTRY_EXTENSIONS = ("/DDCCCountryOfEvent", "/DDCCCountryOfVaccination")
#: Resources that may name an organisation or a country.
PLACES = frozenset({"Location", "Organization", "PractitionerRole"})

#: `(path, fullUrl or None when contained, resource)`.
Placed = tuple[str, str | None, Resource]


def check_organization(
    focus: Resource, path: str, placed: list[Placed], header: Resource, found: list[Problem]
) -> None:
    """Add an error when no Organization is named for the record."""
    maker = _maker_of(focus)
    for _, url, resource in placed:
        if resource["resourceType"] == "Organization" and (url is None or url != maker):
            return
    if not any(map(_names_organization, _candidates(focus, placed, header))):
        found.append(problem("profile.organization-missing", "required", f"{path}.performer"))


def check_country(
    focus: Resource, path: str, placed: list[Placed], found: list[Problem], *, most: Severity
) -> None:
    """Add a problem when no country is named, or what is named is none."""
    maker = _maker_of(focus)
    has_country = False
    wrong: list[str] = []
    for where, text in _countries(focus, path, placed, maker):
        if country_of(text) is None:
            wrong.append(where)
        else:
            has_country = True
    if wrong:
        severity: Severity = "warning" if has_country else most
        found.extend(
            problem("profile.country-not-code", "code-invalid", where, severity=severity)
            for where in wrong
        )
    elif not has_country:
        found.append(problem("profile.country-missing", "required", path, severity=most))


def check_extension_country(resource: Resource, path: str, found: list[Problem]) -> None:
    """Add an error when WHO's extension on this resource names no country."""
    found.extend(
        problem("profile.country-not-code", "code-invalid", where)
        for where, text in _extension_countries(resource, path)
        if country_of(text) is None
    )


def _maker_of(focus: Resource) -> Any:
    return focus.get("manufacturer", {}).get("reference")


def _countries(
    focus: Resource, path: str, placed: list[Placed], maker: Any
) -> Iterator[tuple[str, str]]:
    for where, url, place in placed:
        address = place.get("address")
        if address is None or (url is not None and url == maker):
            continue
        if isinstance(address, dict):
            if "country" in address:
                yield f"{where}.address.country", address["country"]
            continue
        for index, one in enumerate(address):
            if "country" in one:
                yield f"{where}.address[{index}].country", one["country"]
    yield from _extension_countries(focus, path)


def _extension_countries(resource: Resource, path: str) -> Iterator[tuple[str, str]]:
    for index, extension in enumerate(resource.get("extension", ())):
        if extension.get("url", "").endswith(_COUNTRY_EXTENSIONS):
            coding = extension.get("valueCoding", {})
            text = extension.get("valueCode") or coding.get("code") or ""
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
