"""No view shows what its list does not name, and two recipients find nothing alike in theirs.

Messages of the demo and real records of the corpora are filled with markers: in every text that no
list names, and in elements that nobody expects. What a view shows may hold none of them.
"""

import copy
import json
import random
import re
from datetime import UTC, datetime
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.demo.records import sample_records
from exchange.validation import judge
from exchange.views.render import ViewImpossible, render
from schemas.fhir_names import participant_of
from schemas.requirement import Requirement
from schemas.structure.reading import read_resource
from schemas.views.allow_list import VIEWS, allow_list, written_by_the_exchange
from schemas.views.known_codes import known_coding
from tests.end_to_end.real_records import compose, record_files
from tests.support.thoroughness import examples
from tests.unit.views.view_requests import AT, leaves, request_for, shown

LISTED = VIEWS[1:]
#: What holds a message together; a marker there would only break it.
STRUCTURE = re.compile(
    r"Bundle\.type|.*\.fullUrl|.*\.reference|MessageHeader\.(id|event|source|destination).*"
    r"|.*\.status|.*\.url|.*\.(timestamp|lastUpdated|issued)"
)
RULE = Requirement(id="a", version="1", disease="covid-19", kind="immunization")


@cache
def demo_messages():
    return [
        read_resource(record.body)[0]
        for record in sample_records(
            random.Random(7),
            posts=["poe:kz:ala", "poe:kg:oss"],
            registries=["registry:kz"],
            count=60,
            now=datetime(2026, 6, 1, 12, tzinfo=UTC),
        )
    ]


@pytest.fixture(scope="module")
def messages(corpora):
    """Valid messages of every kind, real and made up."""
    real = []
    for file in record_files(corpora):
        _, body = compose(file.read_text("utf-8"), source="poe:kz:ala", document=file.stem)
        tree, problems = read_resource(body)
        assert not any(one.is_error for one in problems), file.name
        real.append(tree)
    assert len(real) > 20
    return real + demo_messages()


def author_of(bundle):
    return participant_of(bundle["entry"][0]["resource"]["source"]["endpoint"])


def seen(view, bundle, recipient="registry:kz"):
    return shown(view, bundle, recipient, author=author_of(bundle), requirement=RULE)


class Planter:
    """Puts a marker into every text that a view's list does not name, and some where none was."""

    def __init__(self, view):
        self.allowed = allow_list(view).paths()
        self.count = 0

    def mark(self):
        self.count += 1
        return f"MARKER{self.count:05d}"

    def planted(self, bundle):
        planted = copy.deepcopy(bundle)
        self.fill(planted, "Bundle")
        for entry in planted["entry"]:
            if entry["resource"]["resourceType"] != "MessageHeader":
                self.surround(entry["resource"])
        return planted

    def fill(self, value, path):
        path = value.get("resourceType", path)
        for name, inner in list(value.items()):
            where = f"{path}.{name}"
            for one in inner if isinstance(inner, list) else [inner]:
                if isinstance(one, dict):
                    self.fill(one, where)
            if name != "resourceType" and self.is_open(where):
                if isinstance(inner, str):
                    value[name] = self.mark()
                elif isinstance(inner, list) and all(isinstance(one, str) for one in inner):
                    value[name] = [self.mark() for _ in inner]
        if path.count(".") and "reference" not in value:
            value["extension"] = [{"url": f"http://x/{self.mark()}", "valueString": self.mark()}]

    def is_open(self, path):
        return path not in self.allowed and STRUCTURE.fullmatch(path) is None

    def surround(self, resource):
        """What a view has no use for, and a new element that FHIR might add one day."""
        for name, value in list(resource.items()):
            if isinstance(value, str) and name != "resourceType":
                resource[f"_{name}"] = {"extension": [{"url": "urn:x", "valueString": self.mark()}]}
        resource["id"] = self.mark()
        resource["text"] = {"status": "generated", "div": f"<div>{self.mark()}</div>"}
        resource["contained"] = [{"resourceType": "Patient", "id": self.mark()}]
        resource["brandNewElement"] = {"valueString": self.mark()}
        if resource["resourceType"] == "Patient":
            resource["photo"] = [{"data": self.mark(), "title": self.mark()}]
            resource["address"] = [{"line": [self.mark()], "text": self.mark()}]
            resource["telecom"] = [{"value": self.mark()}]
            resource["contact"] = [{"name": {"text": self.mark()}}]
            resource["maritalStatus"] = {"text": self.mark()}
            resource["communication"] = [{"language": {"text": self.mark()}}]
        else:
            resource["note"] = [{"text": self.mark(), "authorString": self.mark()}]


@pytest.mark.parametrize("view", LISTED)
def test_no_planted_text_is_shown(view, messages):
    rendered = 0
    for bundle in messages:
        planter = Planter(view)
        planted = planter.planted(bundle)
        assert planter.count > 20
        try:
            text = json.dumps(seen(view, planted), ensure_ascii=False)
        except ViewImpossible:
            continue
        rendered += 1
        assert "MARKER" not in text, re.findall(r".{60}MARKER.{10}", text)
    assert rendered == len(messages)


@pytest.mark.parametrize("view", LISTED)
def test_every_element_shown_is_listed(view, messages):
    listed = allow_list(view).paths() | written_by_the_exchange().paths()

    for bundle in messages:
        for path, _ in leaves(seen(view, bundle)):
            assert path in listed


@pytest.mark.parametrize("view", LISTED)
def test_every_view_of_a_real_record_is_valid(view, messages):
    for bundle in messages:
        data = render(view, bundle, request_for(author=author_of(bundle)))
        judged = judge(data, level="structure", at=AT, max_bytes=len(data))
        assert [one for one in judged.problems if one.is_error] == []


#: Texts that two recipients of one record may both see, because they name no record and nobody:
#: URIs of systems, codes that are pinned or formed as their system forms them, whole days and
#: years, words of FHIR's own value sets, the exchange, and what WHO calls a country.
def may_be_shared(path, value, siblings):
    if path.endswith((".system", ".url", ".status", ".type", ".role", ".valueCode", ".name")):
        return True
    if path.endswith(".code"):
        return known_coding(siblings.get("system"), value) is not None or siblings.get(
            "system", ""
        ).startswith(("urn:bhx:", "urn:iso:", "http://terminology.hl7.org/"))
    if re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", value):
        return True
    if path in {"Bundle.timestamp", "Provenance.recorded"} or path.endswith("valueInstant"):
        return value.endswith("T00:00:00.000Z")
    if path in {"MessageHeader.source.endpoint", "Provenance.agent.who.identifier.value"}:
        return value.endswith("exchange:cis")
    # Of a verdict: what was asked, and the sentences of the catalogue.
    return path.startswith("Parameters.parameter.part.valueString") or value == "masked"


def texts(value, path=""):
    if isinstance(value, dict):
        path = value.get("resourceType", path)
        for name, inner in value.items():
            if name == "resourceType":
                continue
            if isinstance(inner, str):
                yield f"{path}.{name}", inner, value
            else:
                yield from texts(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, str):
                yield path, inner, {}
            else:
                yield from texts(inner, path)


@pytest.mark.parametrize("view", ["pseudonymous", "verdict"])
def test_two_recipients_share_no_identifying_text(view, messages):
    for bundle in messages:
        here = list(texts(seen(view, bundle, "registry:kz")))
        there = {text for _, text, _ in texts(seen(view, bundle, "registry:uz"))}
        shared = [
            (path, text)
            for path, text, siblings in here
            if len(text) > 5 and text in there and not may_be_shared(path, text, siblings)
        ]
        assert shared == []


def numbers(value):
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from numbers(inner)
    elif not isinstance(value, str | bool):
        yield value


def test_without_a_name_no_number_is_exact_enough_to_compare(messages):
    for bundle in messages:
        found = list(numbers(seen("pseudonymous", bundle)))
        assert all(isinstance(number, int) and 0 < number < 100 for number in found)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_is_left_out_of_the_original_changes_nothing_shown(data):
    """A view depends on what it shows: an unlisted element is not even looked at."""
    bundle = data.draw(st.sampled_from(demo_messages()))
    view = data.draw(st.sampled_from(["minimum", "pseudonymous"]))
    stripped = copy.deepcopy(bundle)
    for entry in stripped["entry"][1:]:
        resource = entry["resource"]
        listed = allow_list(view).resources.get(resource["resourceType"], {})
        # The place of the event says the country, which is shown.
        needed = {*listed, "resourceType", "location", "performer", "address", "status"}
        unlisted = sorted(resource.keys() - needed - {"issued", "meta"})
        for name in data.draw(st.sets(st.sampled_from(unlisted))) if unlisted else ():
            del resource[name]

    assert seen(view, stripped) == seen(view, bundle)
