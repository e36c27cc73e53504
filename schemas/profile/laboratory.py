"""What a laboratory report, its results and its specimen must say to be exchanged."""

from schemas.fhir_names import DIAGNOSTIC_SERVICE_SECTIONS, OBSERVATION_CATEGORY
from schemas.profile.coded import check_concept
from schemas.profile.context import Context, Resource
from schemas.profile.dates import check_past, surely_before
from schemas.profile.events import VOID
from schemas.violation import Problem, Severity, problem

#: Statuses before the result stands; from `final` on, the hour of the sample must be known.
_BEFORE_FINAL = frozenset({"registered", "partial", "preliminary", "unknown"})
_EFFECTIVE = ("effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming")
#: FHIR: the existence of the observation is registered, but there is no result yet.
_WITHOUT_ANSWER = VOID | {"registered"}
#: An Observation answers by any of these; `value[x]` is looked for by its prefix.
_ANSWERS = frozenset({"dataAbsentReason", "component", "hasMember"})


def check_report(report: Resource, path: str, context: Context, found: list[Problem]) -> None:
    """Add what stops a DiagnosticReport, or is worth mending."""
    is_void = report.get("status") in VOID
    _check_tested(report, path, context, found, is_void=is_void)
    _check_category(report, path, found)
    if not is_void and not _has_result(report, context):
        found.append(problem("profile.result-missing", "required", f"{path}.result"))


def check_observation(
    observation: Resource, path: str, context: Context, found: list[Problem]
) -> None:
    """Add what stops an Observation, or is worth mending, as a focus or as a result."""
    is_void = observation.get("status") in VOID
    _check_tested(observation, path, context, found, is_void=is_void)
    value = observation.get("valueCodeableConcept")
    if value is not None:
        most: Severity = "warning" if is_void else "error"
        check_concept(value, "result", f"{path}.value", found, most=most)
    elif observation.get("status") not in _WITHOUT_ANSWER and not _is_answered(observation):
        found.append(problem("profile.value-missing", "required", f"{path}.value"))


def check_specimen(specimen: Resource, path: str, context: Context, found: list[Problem]) -> None:
    """Add what stops a Specimen, or is worth mending."""
    if "type" in specimen:
        check_concept(specimen["type"], "specimen", f"{path}.type", found)
    collection = specimen.get("collection")
    if collection is not None:
        element, taken = _start_of(collection, ("collectedDateTime", "collectedPeriod"))
        if taken is not None:
            _check_taken(taken, f"{path}.collection.{_in_path(element)}", context, found)


def check_laboratory_focus(
    focus: Resource, path: str, observations: list[Resource], found: list[Problem]
) -> None:
    """Add what only the record a message is about must have."""
    status = focus.get("status")
    if status in VOID:
        return
    if status not in _BEFORE_FINAL and not any(name in focus for name in _EFFECTIVE):
        found.append(problem("profile.effective-missing", "required", f"{path}.effective"))
    if focus.get("resourceType") == "Observation":
        _check_category(focus, path, found)
    if observations and not any(map(_is_coded, observations)):
        found.append(problem("profile.result-not-coded", "business-rule", path, severity="warning"))


def check_sampled_before_issued(
    report: Resource, path: str, entries: dict[str, Resource], found: list[Problem]
) -> None:
    """Add a warning for a Specimen of this Bundle taken after its report was issued."""
    issued = report.get("issued")
    if issued is None:
        return
    specimens = report.get("specimen", ())
    for reference in [specimens] if isinstance(specimens, dict) else specimens:
        specimen = entries.get(reference.get("reference", ""), {})
        _, taken = _start_of(
            specimen.get("collection", {}), ("collectedDateTime", "collectedPeriod")
        )
        if taken is not None and surely_before(issued, taken):
            found.append(
                problem(
                    "profile.collected-after-issued",
                    "business-rule",
                    f"{path}.issued",
                    severity="warning",
                )
            )


def _check_tested(
    tested: Resource, path: str, context: Context, found: list[Problem], *, is_void: bool
) -> None:
    """What reports and observations share: the test's code and the dates."""
    if "code" in tested:
        most: Severity = "warning" if is_void else "error"
        check_concept(tested["code"], "test", f"{path}.code", found, most=most)
    element, taken = _start_of(tested, _EFFECTIVE)
    if taken is not None:
        _check_taken(taken, f"{path}.{_in_path(element)}", context, found)
    issued = tested.get("issued")
    if issued is None:
        return
    check_past(issued, f"{path}.issued", context.received, found)
    if taken is not None and surely_before(issued, taken):
        found.append(
            problem(
                "profile.issued-before-effective",
                "business-rule",
                f"{path}.issued",
                severity="warning",
            )
        )


def _check_taken(taken: str, path: str, context: Context, found: list[Problem]) -> None:
    check_past(taken, path, context.received, found)
    if context.birth is not None and surely_before(taken, context.birth):
        found.append(problem("profile.before-birth", "business-rule", path))


def _check_category(focus: Resource, path: str, found: list[Problem]) -> None:
    """IPS and DDCC find laboratory records by their category (STANDARDS 2.2)."""
    for category in focus.get("category", ()):
        for coding in category.get("coding", ()):
            system = coding.get("system")
            if system == DIAGNOSTIC_SERVICE_SECTIONS:
                return
            if system == OBSERVATION_CATEGORY and coding.get("code") == "laboratory":
                return
    found.append(
        problem(
            "profile.category-missing",
            "business-rule",
            f"{path}.category",
            OBSERVATION_CATEGORY,
            DIAGNOSTIC_SERVICE_SECTIONS,
            severity="warning",
        )
    )


def _has_result(report: Resource, context: Context) -> bool:
    results = report.get("result", ())
    if context.entries is None:
        return bool(results)
    for reference in results:
        url = reference.get("reference", "")
        if url.startswith("#"):
            return True
        if context.entries.get(url, {}).get("resourceType") == "Observation":
            return True
    return False


def _is_answered(observation: Resource) -> bool:
    if not _ANSWERS.isdisjoint(observation):
        return True
    return any(name.startswith(("value", "_value")) for name in observation)


def _is_coded(observation: Resource) -> bool:
    """Whether a program can tell the outcome: a coded value, or a number and what it means."""
    if "valueCodeableConcept" in observation:
        return "coding" in observation["valueCodeableConcept"]
    if "interpretation" in observation:
        return "valueQuantity" in observation or "valueInteger" in observation
    return any(map(_is_coded, observation.get("component", ())))


def _start_of(holder: Resource, names: tuple[str, ...]) -> tuple[str, str | None]:
    """The element that says when, and its first moment as written."""
    for name in names:
        said = holder.get(name)
        if isinstance(said, str):
            return name, said
        if isinstance(said, dict):
            start = said.get("start")
            return f"{name}.start", start if isinstance(start, str) else None
    return "", None


def _in_path(element: str) -> str:
    """The element as FHIRPath names it: a choice goes without its type."""
    for choice in ("effective", "collected"):
        if element.startswith(choice):
            return f"{choice}.start" if element.endswith(".start") else choice
    return element
