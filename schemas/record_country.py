"""In which country was it done? The one answer of the profile's rule and of a record's facts.

Stated best by WHO's extension, then by the place or the organisation that the record itself leads
to. A message about one record names few places: when it leads to none, but all it brings lie in one
country, that is the country. The maker of the vaccine, the traveller's own doctors and those who
look after a consent did nothing here; when two countries remain, nobody can say which.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from schemas.terminology.countries import country_of

Resource = dict[str, Any]
Entries = Mapping[str, Resource]

#: WHO's extensions for the country of an event, by the last part of their URL (DDCC 1.0 wrote
#: DDCCCountryOfVaccination); the part before it differs between releases.
_EXTENSIONS: Final = ("/DDCCCountryOfEvent", "/DDCCCountryOfVaccination")
_WITH_ADDRESS: Final = frozenset({"Location", "Organization"})
#: Resource → its elements that refer to organisations which did not do what the record tells.
_OF_OTHERS: Final = {
    "Consent": ("organization", "performer"),
    "Patient": ("generalPractitioner",),
}


def record_country(focus: Resource, entries: Entries) -> str | None:
    """The country (ISO 3166-1 alpha-2), or None when none is named or they contradict each other.

    Args:
        focus: the record.
        entries: the resources of its Bundle by fullUrl.
    """
    for _, text in stated_countries(focus):
        country = country_of(text)
        if country is not None:
            return country
    for place in _led_to(focus, entries):
        country = _one_of(_countries_of(place))
        if country is not None:
            return country
    places = _brought_along(focus, entries)
    return _one_of(country for place in places for country in _countries_of(place))


def stated_countries(resource: Resource) -> Iterator[tuple[int, str]]:
    """The index of each of WHO's extensions, and the code it states, as written."""
    for index, extension in enumerate(resource.get("extension", ())):
        if extension.get("url", "").endswith(_EXTENSIONS):
            coding = extension.get("valueCoding", {})
            yield index, extension.get("valueCode") or coding.get("code") or ""


def maker_of(focus: Resource, entries: Entries) -> Resource | None:
    """The Organization that made the vaccine, when it travels with the record."""
    return _resolved(focus, entries, focus.get("manufacturer"))


def _led_to(focus: Resource, entries: Entries) -> Iterator[Resource]:
    """Where it was done, and who did it, nearest first."""
    did = [one.get("actor", one) for one in focus.get("performer", ())]
    for reference in (focus.get("location"), *did):
        found = _resolved(focus, entries, reference)
        if found is None:
            continue
        yield found
        further = (found.get("organization"), found.get("managingOrganization"))
        for one in (*found.get("location", ()), *further):
            behind = _resolved(found, entries, one)
            if behind is not None:
                yield behind


def _brought_along(focus: Resource, entries: Entries) -> Iterator[Resource]:
    maker = maker_of(focus, entries)
    others = {url for one in entries.values() for url in _of_others(one)}
    for url, resource in entries.items():
        if url not in others:
            yield from (one for one in _with_contained(resource) if one is not maker)
    if focus not in entries.values():
        yield from (one for one in focus.get("contained", ()) if one is not maker)


def _with_contained(resource: Resource) -> Iterator[Resource]:
    yield resource
    if resource.get("resourceType") not in _OF_OTHERS:
        yield from resource.get("contained", ())


def _of_others(resource: Resource) -> Iterator[str]:
    for element in _OF_OTHERS.get(resource.get("resourceType", ""), ()):
        yield from (one.get("reference", "") for one in resource.get(element, ()))


def _resolved(holder: Resource, entries: Entries, reference: Any) -> Resource | None:
    url = reference.get("reference", "") if isinstance(reference, dict) else ""
    if url.startswith("#"):
        contained = holder.get("contained", ())
        return next((one for one in contained if one.get("id") == url[1:]), None)
    return entries.get(url)


def _countries_of(place: Resource) -> set[str]:
    """Of a Location (one address) or an Organization (several)."""
    if place.get("resourceType") not in _WITH_ADDRESS:
        return set()
    address = place.get("address", [])
    addresses = [address] if isinstance(address, dict) else address
    found = (country_of(one.get("country", "")) for one in addresses)
    return {country for country in found if country is not None}


def _one_of(countries: Iterable[str]) -> str | None:
    different = set(countries)
    return different.pop() if len(different) == 1 else None
