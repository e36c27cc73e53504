"""What is to mend is told in the language that was asked for; the receipt never changes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http.language import preferred_language
from schemas.operation_outcome import operation_outcome, receipt_in
from schemas.receipt import Receipt, ReceiptIssue
from schemas.sentences.catalogue import LANGUAGES, template
from schemas.violation import Problem, problem

PROCESS = "/fhir/$process-message"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, "en"),
        ("", "en"),
        ("ru", "ru"),
        ("ru-RU, ru;q=0.9, en;q=0.8", "ru"),
        ("kk, ru;q=0.8, en;q=0.7", "ru"),
        ("en;q=0.1, ru;q=0.2", "ru"),
        ("ru;q=0", "en"),
        ("ru;q=0, *;q=0.5", "en"),
        ("*", "en"),
        ("en;q=0, *", "ru"),
        ("RU", "ru"),
        ("ru, en", "ru"),
        ("en, ru", "en"),
        ("ru, *", "ru"),
        ("ru,,", "ru"),
        ("de", "en"),
        ("ru;q=2", "en"),
        ("ru; q=0.5 , en;q=0.4", "ru"),
        ("; ; ;", "en"),
    ],
)
def test_the_range_of_highest_quality_wins(asked, expected):
    assert preferred_language(asked) == expected


@given(st.text())
def test_any_header_gives_a_language(text):
    assert preferred_language(text) in LANGUAGES


def outcome_of(response):
    return response.json()["entry"][1]["resource"]["issue"]


async def test_a_refusal_is_told_in_russian_and_its_receipt_is_the_same(caller):
    english = await caller.http.post(PROCESS, content=b"garbage")
    russian = await caller.http.post(
        PROCESS, content=b"garbage", headers={"Accept-Language": "ru-KZ, en;q=0.2"}
    )

    assert english.status_code == russian.status_code == 400
    assert english.headers["content-language"] == "en"
    assert russian.headers["content-language"] == "ru"
    assert "Accept-Language" in russian.headers["vary"]
    assert outcome_of(russian)[0]["details"]["text"] == template("envelope.missing", "ru")
    assert outcome_of(english)[0]["details"]["text"] == template("envelope.missing", "en")
    # For who supports the sender, always the same words.
    for told in (russian, english):
        assert outcome_of(told)[0]["diagnostics"] == template("envelope.missing", "en")
    assert receipt_in(english.json()) == receipt_in(russian.json())


async def test_a_problem_outside_fhir_is_told_in_russian(caller):
    answer = await caller.http.get("/receipts/x", headers={"Accept-Language": "ru"})

    assert answer.headers["content-type"].startswith("application/problem+json")
    assert json.loads(answer.content)["title"] == template("title.not-logged-in", "ru")


def test_issues_from_before_there_were_severities_keep_their_bytes():
    """A row of three members gives the receipt that was given for it then."""
    old = ReceiptIssue.of(Problem("value", "Patient.gender", "Use a code."))
    new = ReceiptIssue.of(problem("structure.null", "structure", "Patient.gender"))
    remark = ReceiptIssue.of(Problem("value", "x", "y", "warning"))

    assert old.to_values() == {
        "code": "value", "expression": "Patient.gender", "text": "Use a code.",
    }  # fmt: skip
    assert list(new.to_values()) == ["code", "expression", "text", "severity", "sentence"]
    assert old.to_problem() == Problem("value", "Patient.gender", "Use a code.")
    assert remark.to_problem().severity == "warning"
    # Inside a receipt too, and not only by itself.
    receipt = Receipt(
        publisher="p", message="m", outcome="refused", issues=(old,), decided_at="t",
        entry=b"e", proof="p",
    )  # fmt: skip
    assert b"null" not in receipt.to_bytes().partition(b'"issues"')[2].partition(b"]")[0]


@pytest.mark.parametrize("accepted", [True, False])
def test_only_what_was_accepted_is_said_to_be(accepted):
    remark = Problem("value", "x", "y", "warning")

    told = operation_outcome([remark], accepted=accepted)["issue"]

    assert [one["severity"] for one in told] == ["information", "warning"][not accepted :]
    assert all(one["details"]["text"] for one in told)


async def test_the_description_says_where_a_language_can_be_asked_for(caller):
    """For each operation that answers with problems, and for those alone."""
    document = (await caller.http.get("/openapi.json")).json()
    operations = [
        (path, operation)
        for path, at in document["paths"].items()
        for operation in at.values()
    ]  # fmt: skip

    for path, operation in operations:
        asked = [one["name"] for one in operation.get("parameters", ())].count("Accept-Language")
        told = [
            answer
            for answer in operation["responses"].values()
            if {"Problem", "OperationOutcome"} & titles_in(answer)
        ]
        assert asked == (1 if told else 0), path
        assert all(answer["headers"].keys() >= {"Content-Language", "Vary"} for answer in told)
    assert len(operations) > 15


def titles_in(answer):
    schemas = [one.get("schema", {}) for one in answer.get("content", {}).values()]
    return {one.get("title") for schema in schemas for one in (schema, *schema.get("oneOf", ()))}
