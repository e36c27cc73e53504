"""The basis check, a case a test."""

from datetime import UTC, datetime, timedelta

import pytest

from exchange.consent import decision
from exchange.consent.asking import entitlements_of
from exchange.consent.request import DisclosureRequest
from exchange.errors import ConsentRefused
from exchange.model import ConsentBasis, ConsentOnFile, Recipient
from schemas.consent.reading import read_consent
from schemas.consent.statement import ConsentStatement
from schemas.record_traits import RecordTraits
from tests.support.world import ALA, KG, KZ, NOON, consent


def on_file(resource, *, entry=1):
    statement = read_consent(resource, "Consent")
    return ConsentOnFile(statement=statement, basis=ConsentBasis(consent=f"c{entry}", entry=entry))


def traits(record_class="Immunization"):
    return RecordTraits(author=ALA, collected_in="KZ", record_class=record_class)


def decide(*resources, recipient=KZ, purpose="PUBHLTH", record_class="Immunization", at=NOON):
    consents = [on_file(resource, entry=n) for n, resource in enumerate(resources, start=1)]
    request = DisclosureRequest(
        recipient=recipient,
        recipient_jurisdiction=recipient.partition(":")[2].upper(),
        purpose=purpose,
        traits=traits(record_class),
    )
    return decision.decide(consents, (), request, at).basis


def test_a_permit_that_names_the_recipient_is_a_basis():
    assert decide(consent()) == ConsentBasis(consent="c1", entry=1)


def test_no_consent_is_no_basis():
    assert decide() is None


def test_a_permit_for_another_recipient_is_no_basis():
    assert decide(consent(recipients=[KG])) is None


def test_a_permit_for_another_purpose_is_no_basis():
    assert decide(consent(purposes=["TREAT"])) is None


def test_a_general_purpose_covers_its_narrower_ones_but_not_the_reverse():
    assert decide(consent(purposes=["TREAT"]), purpose="ETREAT") is not None
    assert decide(consent(purposes=["ETREAT"]), purpose="TREAT") is None


def test_research_never_rides_on_treatment():
    assert decide(consent(purposes=["TREAT"]), purpose="HRESCH") is None


@pytest.mark.parametrize("status", ["inactive", "rejected", "entered-in-error", "draft"])
def test_only_an_active_consent_permits(status):
    assert decide(consent(status=status)) is None


def test_an_active_deny_beats_a_permit_whatever_their_order():
    permit = consent(identifier="a", given="2026-05-20T10:00:00Z")
    deny = consent(identifier="b", decision="deny", given="2026-05-01T10:00:00Z")

    assert decide(permit, deny) is None
    assert decide(deny, permit) is None


def test_a_rejected_consent_is_a_dissent():
    assert decide(consent(identifier="a"), consent(identifier="b", status="rejected")) is None


def test_a_deny_for_another_recipient_does_not_hinder():
    deny = consent(identifier="b", decision="deny", recipients=[KG])

    assert decide(consent(identifier="a"), deny) is not None


def test_a_withdrawal_replaces_the_version_before():
    given = consent(given="2026-05-01T10:00:00Z")
    withdrawn = consent(status="inactive", given="2026-05-02T10:00:00Z")

    assert decide(given, withdrawn) is None


def test_versions_are_ordered_by_the_record_not_by_arrival():
    withdrawn = consent(status="inactive", given="2026-05-02T10:00:00Z")
    late_arrival = consent(given="2026-05-01T10:00:00Z")

    assert decide(withdrawn, late_arrival) is None


def test_a_new_permit_after_a_withdrawal_counts():
    withdrawn = consent(status="inactive", given="2026-05-02T10:00:00Z")
    again = consent(given="2026-05-03T10:00:00Z")

    assert decide(withdrawn, again) == ConsentBasis(consent="c2", entry=2)


def test_of_two_versions_of_one_moment_the_stop_stands():
    assert decide(consent(status="inactive"), consent()) is None
    assert decide(consent(), consent(status="inactive")) is None


def test_a_consent_from_the_future_waits():
    ahead = consent(given="2026-06-01T12:06:00Z")

    assert decide(ahead) is None
    assert decide(ahead, at=NOON + timedelta(minutes=2)) is not None


def test_an_expired_period_is_no_basis():
    assert decide(consent(period={"end": "2026-05-31T12:00:00Z"})) is None


def test_a_period_that_has_not_begun_is_no_basis():
    assert decide(consent(period={"start": "2026-06-02T12:00:00Z"})) is None


def test_an_end_date_includes_its_day_everywhere():
    assert decide(consent(period={"end": "2026-06-01"})) is not None


def test_a_consent_that_names_record_types_covers_only_these():
    types = [{"system": "http://hl7.org/fhir/resource-types", "code": "Immunization"}]

    assert decide(consent(**{"class": types})) is not None
    assert decide(consent(**{"class": types}), record_class="Observation") is None


def test_an_element_not_understood_forbids_permitting_but_not_denying():
    label = {"securityLabel": [{"system": "urn:x", "code": "HIV"}]}

    assert decide(consent(**label)) is None
    assert (
        decide(consent(identifier="a"), consent(identifier="b", decision="deny", **label)) is None
    )


def test_an_actor_not_understood_forbids_permitting():
    other = [{"role": {"text": "x"}, "reference": {"display": "the registry"}}]

    assert decide(consent(recipients=(), actor=other)) is None


def test_core_r4_without_a_provision_rests_on_its_policy():
    opt_in = consent()
    del opt_in["provision"]
    opt_out = {**opt_in, "policyRule": {"coding": [{"code": "OPTOUT"}]}}
    unknown = {**opt_in, "policyRule": {"coding": [{"code": "HOUSE-RULES"}]}}

    assert decide(opt_in) is not None
    assert decide(opt_out) is None
    assert decide(unknown) is None


def test_each_recipient_gets_its_first_allowed_purpose():
    recipients = [Recipient(KZ, ("TREAT", "PUBHLTH"), "KZ"), Recipient(KG, ("PUBHLTH",), "KG")]

    entitled = entitlements_of(recipients, traits(), [on_file(consent(recipients=[KZ]))], NOON)

    assert [(one.recipient, one.purpose) for one in entitled] == [(KZ, "PUBHLTH")]


def test_the_refusal_reads_the_same_whatever_the_cause():
    causes = [
        [],
        [on_file(consent(period={"end": "2026-05-01"}))],
        [on_file(consent(decision="deny"))],
        [on_file(consent(recipients=[KG]))],
    ]
    texts = set()
    for consents in causes:
        with pytest.raises(ConsentRefused) as refused:
            entitlements_of([Recipient(KZ, ("PUBHLTH",), "KZ")], traits(), consents, NOON)
        texts.add(str(refused.value))

    assert len(texts) == 1


def test_a_statement_survives_the_store():
    statement = read_consent(consent(period={"start": "2026", "end": "2026-12"}), "Consent")

    assert ConsentStatement.from_json(statement.to_json()) == statement
    assert statement.root.period.start == datetime(2025, 12, 31, 10, tzinfo=UTC)
