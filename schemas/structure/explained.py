"""The explaining path: every way in which JSON is not FHIR R4, where, and how to mend it.

It walks the whole tree and never stops at the first problem. It decides whatever the compiled path
does not accept, so it alone says what is refused.
"""

from collections.abc import Mapping
from typing import Any, Final

from schemas.structure.element_names import element_meant, is_element_name
from schemas.structure.elements import (
    Element,
    TypeDefinition,
    is_resource_type,
    type_definition,
)
from schemas.structure.invariants import INVARIANTS
from schemas.structure.narrative import narrative_fault
from schemas.structure.primitives import has_form
from schemas.structure.references import (
    REFERENCE_PARTS,
    entry_types,
    fits,
    has_circle,
    is_bundled,
    is_local,
    is_well_formed,
    type_named_in,
    unreferenced,
)
from schemas.violation import Problem, Severity, problem

#: More than anybody mends in one go; beyond it, one last problem says that there are more.
MOST_PROBLEMS: Final = 500

#: A longer list of codes helps nobody: the binding's name is in the specification.
_MOST_CODES_NAMED: Final = 16

_REFERENCE: Final = "Reference"
_ELEMENT: Final = TypeDefinition(
    name="Element",
    kind="datatype",
    elements={
        "id": Element(name="id", type="string", repeats=False, required=False),
        "extension": Element(name="extension", type="Extension", repeats=True, required=False),
    },
    choices={},
)


class _Enough(Exception):
    """There are more problems than anybody wants to read."""


def structure_problems(resource: Any) -> list[Problem]:
    """What is not FHIR R4 4.0.1 in a resource, in the order of the JSON; empty when it is valid.

    Args:
        resource: JSON as `strict_json` reads it.
    """
    walk = _Walk()
    try:
        walk.resource(resource, _name_of(resource), _Frame())
    except _Enough:
        walk.problems.append(problem("structure.more", "too-costly", _name_of(resource)))
    return walk.problems


class _Frame:
    """What surrounds a resource: the Bundle its references may lead into, and its own contained.

    Attributes:
        entries: resource types by fullUrl of the enclosing Bundle; None outside of one.
        is_open: whether no resource has claimed local references yet.
        local: resource types behind local references, `#` being the resource itself.
    """

    def __init__(
        self, entries: Mapping[str, str] | None = None, root: Mapping[str, Any] | None = None
    ) -> None:
        self.entries = entries
        self.is_open = root is None
        self.local = {} if root is None else _local_types(root)


class _Walk:
    """Gathers problems."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._warnings = 0

    def add(
        self,
        sentence: str,
        code: str,
        expression: str,
        *words: str,
        severity: Severity = "error",
    ) -> None:
        if severity == "warning":
            # A warning never ends the walk: behind it an error may stand.
            self._warnings += 1
            if self._warnings > MOST_PROBLEMS:
                return
        self.problems.append(problem(sentence, code, expression, *words, severity=severity))
        if len(self.problems) >= MOST_PROBLEMS + min(self._warnings, MOST_PROBLEMS):
            raise _Enough

    def resource(self, value: Any, expression: str, frame: _Frame) -> None:
        if not isinstance(value, dict):
            self.add("structure.not-an-object", "structure", expression)
            return
        resource_type = value.get("resourceType")
        if resource_type is None:
            self.add("structure.no-resource-type", "required", expression)
            return
        if not isinstance(resource_type, str) or not is_resource_type(resource_type):
            self.add("structure.unknown-resource", "not-supported", expression)
            return
        is_outer = frame.is_open
        if resource_type == "Bundle":
            frame = _Frame(_entry_types(value))
        elif is_outer:
            frame = _Frame(frame.entries, value)
        before = len(self.problems)
        self.object(value, type_definition(resource_type), expression, frame)
        if "contained" in value and not is_outer:
            self.add("invariant.dom-2", "invariant", f"{expression}.contained")
        elif "contained" in value and len(self.problems) == before:
            self._contained(value, expression)

    def object(
        self, value: Any, definition: TypeDefinition, expression: str, frame: _Frame
    ) -> None:
        """Check a JSON object against a type; invariants only when everything in it fits."""
        if not isinstance(value, dict):
            self.add("structure.not-an-object", "structure", expression)
            return
        before = len(self.problems)
        for name, member in value.items():
            self._member(name, member, value, definition, expression, frame)
        self._required(value, definition, expression)
        self._choices(value, definition, expression)
        if definition.kind == "datatype" and not value.keys() - {"id"}:
            self.add("structure.empty-element", "invariant", expression)
        if len(self.problems) == before:
            for rule in INVARIANTS.get(definition.name, ()):
                if not rule.holds(value):
                    where = f"{expression}.{rule.element}" if rule.element else expression
                    self.add(f"invariant.{rule.key}", "invariant", where)
            if definition.name == _REFERENCE:
                self._reference_parts(value, expression)

    def _member(
        self,
        name: str,
        member: Any,
        owner: Mapping[str, Any],
        definition: TypeDefinition,
        expression: str,
        frame: _Frame,
    ) -> None:
        if name == "resourceType" and definition.kind == "resource":
            return
        is_twin = name.startswith("_")
        element = definition.elements.get(name.removeprefix("_"))
        if element is None or (is_twin and not element.has_twin):
            self._unknown(name, definition, expression)
            return
        where = f"{expression}.{_path_name(element, definition)}"
        if element.repeats:
            self._repeated(member, element, where, frame, owner, is_twin=is_twin)
        elif isinstance(member, list):
            self.add("structure.does-not-repeat", "structure", where)
        else:
            self._one(member, element, where, frame, is_twin=is_twin)

    def _unknown(self, name: str, definition: TypeDefinition, expression: str) -> None:
        """A name that is not FHIR's is not repeated: a family name could stand there as a key."""
        if is_element_name(name):
            self.add("structure.unknown-element", "structure", f"{expression}.{name}")
            return
        meant = element_meant(name, definition)
        if meant is None:
            self.add("structure.unknown-element", "structure", expression)
        else:
            self.add("structure.misspelt-element", "structure", expression, meant)

    def _repeated(
        self,
        member: Any,
        element: Element,
        where: str,
        frame: _Frame,
        owner: Mapping[str, Any],
        *,
        is_twin: bool,
    ) -> None:
        if not isinstance(member, list):
            self.add("structure.repeats", "structure", where)
            return
        if not member:
            self.add("structure.empty-array", "structure", where)
            return
        other = owner.get(element.name if is_twin else f"_{element.name}")
        for index, item in enumerate(member):
            here = f"{where}[{index}]"
            if item is None and element.has_twin and _has_item(other, index):
                if element.codes is not None and not is_twin:
                    self.add("structure.code-required", "required", here)
                continue
            self._one(item, element, here, frame, is_twin=is_twin)

    def _one(
        self, value: Any, element: Element, where: str, frame: _Frame, *, is_twin: bool
    ) -> None:
        if value is None:
            self.add("structure.null", "structure", where)
        elif is_twin:
            self.object(value, _ELEMENT, where, frame)
        elif element.is_primitive:
            self._primitive(value, element, where)
        elif element.type == "Resource":
            # A contained resource shares its container's local names; any other has its own.
            inner = frame if element.name == "contained" else _Frame(frame.entries)
            self.resource(value, where, inner)
        else:
            before = len(self.problems)
            self.object(value, type_definition(element.type), where, frame)
            if element.type == _REFERENCE and len(self.problems) == before:
                self._leads_to(value, element, where, frame)

    def _primitive(self, value: Any, element: Element, where: str) -> None:
        if element.type == "xhtml" and isinstance(value, str):
            fault = narrative_fault(value)
            if fault is not None:
                self.add(f"narrative.{fault}", "invalid", where)
        elif not has_form(element.type, value):
            self.add(f"form.{element.type}", "value", where)
        elif element.codes is not None and value not in element.codes:
            if len(element.codes) > _MOST_CODES_NAMED:
                self.add("structure.wrong-code", "code-invalid", where)
            else:
                named = ", ".join(sorted(element.codes))
                self.add("structure.wrong-code-of", "code-invalid", where, named)

    def _required(self, value: Mapping[str, Any], definition: TypeDefinition, where: str) -> None:
        for element in definition.elements.values():
            if element.name in value or not (element.required or element.codes):
                continue
            has_twin = element.has_twin and f"_{element.name}" in value
            if has_twin and element.codes is not None:
                # A required binding leaves no room for "unknown": only a code of it will do.
                self.add("structure.code-required", "required", f"{where}.{element.name}")
            elif element.required and not has_twin:
                self.add("structure.required", "required", f"{where}.{element.name}", element.name)

    def _choices(self, value: Mapping[str, Any], definition: TypeDefinition, where: str) -> None:
        for choice, (members, required) in definition.choices.items():
            present = [name for name in members if name in value or f"_{name}" in value]
            if len(present) > 1:
                self.add("structure.one-choice", "structure", f"{where}.{choice}", choice)
            elif required and not present:
                self.add(
                    "structure.required-choice",
                    "required",
                    f"{where}.{choice}",
                    choice,
                    ", ".join(members),
                )

    def _reference_parts(self, value: Mapping[str, Any], where: str) -> None:
        parts = (*REFERENCE_PARTS, *(f"_{part}" for part in REFERENCE_PARTS), "extension")
        if not any(part in value for part in parts):
            self.add("structure.reference-says-nothing", "invariant", where)

    def _leads_to(
        self, value: Mapping[str, Any], element: Element, where: str, frame: _Frame
    ) -> None:
        """Does this reference lead to a resource of a type that may stand here?"""
        named = ", ".join(sorted(element.targets))
        stated = value.get("type")
        if stated is not None and is_resource_type(stated) and not fits(stated, element.targets):
            self.add("structure.wrong-target", "value", f"{where}.type", named)
        reference = value.get("reference")
        if reference is None:
            return
        where = f"{where}.reference"
        if not is_well_formed(reference):
            # R4 types it as a string, so it is legal; but nobody will find what it means.
            self.add("structure.reference-form", "value", where, severity="warning")
        elif not _is_found(reference, frame):
            sentence = "structure.not-contained" if is_local(reference) else "structure.not-bundled"
            self.add(sentence, "not-found", where)
        elif not fits(_target_type(reference, frame), element.targets):
            self.add("structure.wrong-target", "value", where, named)

    def _contained(self, resource: dict[str, Any], expression: str) -> None:
        lost = unreferenced(resource)
        named: set[str] = set()
        for index, one in enumerate(resource["contained"]):
            where = f"{expression}.contained[{index}]"
            self._bare(one, where)
            if one.get("id") in named:
                # A local reference could mean either: two readers would see two records.
                self.add("structure.contained-twice", "duplicate", f"{where}.id")
            named.update({one["id"]} if "id" in one else ())
            if one.get("id") in lost:
                self.add("invariant.dom-3", "invariant", where)
        if has_circle(resource):
            self.add("structure.contained-circle", "structure", f"{expression}.contained")

    def _bare(self, contained: dict[str, Any], where: str) -> None:
        meta = contained.get("meta", {})
        if "versionId" in meta or "lastUpdated" in meta:
            self.add("invariant.dom-4", "invariant", f"{where}.meta")
        if "security" in meta:
            self.add("invariant.dom-5", "invariant", f"{where}.meta.security")
        if "id" not in contained:
            self.add("structure.contained-without-id", "required", f"{where}.id")


def _is_found(reference: str, frame: _Frame) -> bool:
    if is_local(reference):
        return reference in frame.local
    if is_bundled(reference) and frame.entries is not None:
        return reference in frame.entries
    return True


def _target_type(reference: str, frame: _Frame) -> str | None:
    if is_local(reference):
        return frame.local.get(reference)
    if is_bundled(reference):
        return (frame.entries or {}).get(reference)
    return type_named_in(reference)


def _local_types(root: Mapping[str, Any]) -> dict[str, str]:
    """Where `#…` leads; what has no sound id or type is told elsewhere."""
    contained = root.get("contained")
    found = {
        f"#{one['id']}": one["resourceType"]
        for one in (contained if isinstance(contained, list) else ())
        if isinstance(one, dict)
        and isinstance(one.get("id"), str)
        and isinstance(one.get("resourceType"), str)
    }
    return {**found, "#": root["resourceType"]}


def _entry_types(bundle: Mapping[str, Any]) -> dict[str, str]:
    entries = bundle.get("entry")
    sound = [
        entry
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
        and isinstance(entry.get("fullUrl"), str)
        and isinstance(entry.get("resource"), dict)
        and isinstance(entry["resource"].get("resourceType"), str)
    ]
    return entry_types({"entry": sound})


def _has_item(other: Any, index: int) -> bool:
    return isinstance(other, list) and index < len(other) and other[index] is not None


def _name_of(resource: Any) -> str:
    """The root of expressions: the resource's type when it is one of FHIR's."""
    stated = resource.get("resourceType") if isinstance(resource, dict) else None
    return stated if isinstance(stated, str) and is_resource_type(stated) else "Resource"


def _path_name(element: Element, definition: TypeDefinition) -> str:
    """The element's name in FHIRPath: a choice goes without its type."""
    for choice, (members, _) in definition.choices.items():
        if element.name in members:
            return choice
    return element.name
