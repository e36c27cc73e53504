"""The security labels of a resource and of a message, by the high-water mark (HL7 HCS).

Labels that the sender states are honoured and can only raise: what a code of the rules says stays,
whatever is stated. What is sensitive is restricted at least. A code of v3-ActCode that nobody here
knows counts as a sensitivity: what is not understood cannot be permitted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from schemas.codeable_concept import codings_of
from schemas.labels.rules import LabelRules, label_rules
from schemas.profile.parts import Parts
from schemas.record_traits import CONFIDENTIALITY, RecordTraits
from schemas.terminology.diseases import diseases_of

Resource = dict[str, Any]
#: Disease → the labels that a jurisdiction's policy adds for it.
Sensitive = Mapping[str, Iterable[str]]

NORMAL: Final = "N"
RESTRICTED: Final = "R"
#: What a confidentiality code nobody knows is taken for.
_HIGHEST: Final = CONFIDENTIALITY[-1]
_NO_POLICY: Final[Sensitive] = {}

#: No part of the record: a consent names sensitive codes in order to forbid them.
NOT_OF_THE_RECORD: Final = frozenset({"Consent", "Provenance"})
#: No view is left without them, so what they are labelled with holds for the whole record.
_ALWAYS_THERE: Final = frozenset({"MessageHeader", "Patient"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Security labels.

    Attributes:
        confidentiality: v3-Confidentiality; None when none is stated and nothing is sensitive.
        sensitivity: codes of v3-ActCode, in the order found.
    """

    confidentiality: str | None = None
    sensitivity: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLabels:
    """The labels of a record, as consents and policies ask for them.

    Attributes:
        confidentiality: the high-water mark; what is unlabelled is normal.
        focus: sensitivity labels of the focus, the traveller and the message itself.
        parts: those of other parts that the focus does not carry.
    """

    confidentiality: str
    focus: tuple[str, ...]
    parts: tuple[str, ...]


_NONE: Final = Labels()
_PLAIN: Final = MessageLabels(confidentiality=NORMAL, focus=(), parts=())


def labels_of(resource: Resource, sensitive: Sensitive = _NO_POLICY) -> Labels:
    """The labels of one resource with all that it contains, stated or by the meaning of its codes.

    Args:
        resource: structurally valid.
        sensitive: labels that policies add for diseases, by key of our terminology.
    """
    rules = label_rules()
    found = _by_codes(resource, rules)
    if sensitive:
        for disease in _diseases(resource):
            found.update(dict.fromkeys(sensitive.get(disease, ())))
    stated = _stated(resource, rules, found)
    if found:
        return Labels(
            confidentiality=highest((stated or RESTRICTED, RESTRICTED)), sensitivity=tuple(found)
        )
    return _NONE if stated is None else Labels(confidentiality=stated)


def message_labels(
    bundle: Resource, parts: Parts, sensitive: Sensitive = _NO_POLICY
) -> MessageLabels:
    """The labels of the record that a message is about and of its parts.

    Args:
        bundle: the message; what its `meta.security` says holds for every part.
        parts: what was found in it.
        sensitive: as in `labels_of`.
    """
    record = [one for one in parts.by_url.values() if one["resourceType"] not in NOT_OF_THE_RECORD]
    if not sensitive and "meta" not in bundle and not _may_be_labelled(record):
        return _PLAIN
    whole = labels_of({"meta": bundle["meta"]}) if "meta" in bundle else _NONE
    unlabelled = whole.confidentiality or NORMAL
    marks = {unlabelled}
    focus = dict.fromkeys(whole.sensitivity)
    others: dict[str, None] = {}
    for resource in record:
        labels = labels_of(resource, sensitive)
        if labels is _NONE:
            continue
        marks.add(labels.confidentiality or unlabelled)
        of_focus = resource is parts.focus or resource["resourceType"] in _ALWAYS_THERE
        (focus if of_focus else others).update(dict.fromkeys(labels.sensitivity))
    return MessageLabels(
        confidentiality=highest(marks),
        focus=tuple(focus),
        parts=tuple(label for label in others if label not in focus),
    )


def with_policy_labels(traits: RecordTraits, sensitive: Sensitive) -> RecordTraits:
    """The traits with what policies add for the record's diseases.

    For policies that come into force, or are first known, after the record was read. The labels
    count as the focus's own, whichever part the disease was found in: that permits less.
    """
    added = [label for disease in traits.diseases for label in sensitive.get(disease, ())]
    labels = tuple(dict.fromkeys((*traits.labels, *added)))
    if labels == traits.labels:
        return traits
    return replace(
        traits,
        labels=labels,
        part_labels=tuple(one for one in traits.part_labels if one not in labels),
        confidentiality=highest((traits.confidentiality, RESTRICTED)),
    )


def highest(codes: Iterable[str]) -> str:
    """The high-water mark of some v3-Confidentiality codes."""
    return max(codes, key=CONFIDENTIALITY.index)


def _may_be_labelled(  # noqa: C901 - one loop is what makes it cheap
    resources: Iterable[Resource],
) -> bool:
    """Whether anything in these resources is worth a second look; what every message costs."""
    rules = label_rules()
    codes, hierarchies, labelling = rules.codes, rules.hierarchies, rules.labelling
    nodes: list[Any] = list(resources)
    push = nodes.append
    for node in nodes:  # grows while it is walked
        if "code" in node:
            code, system = node["code"], node.get("system")
            # Where `code` is a concept, its own codings are nodes.
            if code.__class__ is str and (
                code in codes
                or system in labelling
                or (system in hierarchies and rules.labels_for(system, code))
            ):
                return True
        for value in node.values():
            kind = value.__class__
            if kind is dict:
                push(value)
            elif kind is list:
                for member in value:
                    if member.__class__ is dict:
                        push(member)
    return False


def _by_codes(resource: Resource, rules: LabelRules) -> dict[str, None]:
    """What the codes of a resource mean, wherever in it they stand."""
    found: dict[str, None] = {}
    nodes: list[Any] = [resource]
    for node in nodes:  # grows while it is walked
        nodes.extend(value for value in node.values() if value.__class__ is dict)
        for value in node.values():
            if value.__class__ is list:
                nodes.extend(member for member in value if member.__class__ is dict)
        system, code = node.get("system"), node.get("code")
        if isinstance(system, str) and isinstance(code, str):
            found.update(dict.fromkeys(rules.labels_for(system, code)))
    return found


def _diseases(resource: Resource) -> tuple[str, ...]:
    """The diseases that a resource's own codes are about."""
    concepts = [resource.get(name) for name in ("code", "vaccineCode")]
    for protocol in resource.get("protocolApplied", ()):
        concepts.extend(protocol.get("targetDisease", ()))
    concepts.extend(part.get("code") for part in resource.get("component", ()))
    concepts.extend(resource.get("conclusionCode", ()))
    return diseases_of(
        pair for concept in concepts if isinstance(concept, dict) for pair in codings_of(concept)
    )


def _stated(resource: Resource, rules: LabelRules, found: dict[str, None]) -> str | None:
    """The highest confidentiality stated; sensitivities are added to `found`."""
    marks: list[str] = []
    for labelled in (resource, *resource.get("contained", ())):
        for label in labelled.get("meta", {}).get("security", ()):
            system, code = label.get("system"), label.get("code")
            if not isinstance(code, str):
                continue
            if system in rules.confidentiality_systems:
                marks.append(code if code in CONFIDENTIALITY else _HIGHEST)
            elif system in rules.sensitivity_systems and code not in rules.handling:
                found[code] = None
    return highest(marks) if marks else None
