"""Each thing a whole-trail check must notice, one test a finding; and a sound trail without any."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange.trail.checkpoint import Checkpoint, NoteSigner, sign_checkpoint
from exchange.trail.merkle import EMPTY_ROOT
from exchange.trail.tiles import grow
from exchange.trail.verify import TrailVerification
from schemas.trail_entry import entry, entry_bytes, read_entry
from schemas.violation import SchemaViolation

ORIGIN = "exchange.example/trail"
SIGNER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FIRST, SECOND, STATEMENT = "A" * 43, "B" * 42 + "A", "C" * 42 + "A"


def written(number, kind, /, **fields):
    at = NOON + timedelta(seconds=number)
    return entry(kind, time=at, salt=number.to_bytes(16, "big"), **fields)


def accepted(number, message, content, publisher="poe:kz:ala", **versions):
    return written(
        number,
        "accepted",
        publisher=publisher,
        message=message,
        event="vaccination",
        content=content,
        key="key-1",
        **versions,
    )


def released(number, delivery, count, **changes):
    fields = {
        "delivery": delivery,
        "subscriber": "registry:kz",
        "number": count,
        "purpose": "PUBHLTH",
        "view": "full",
        "basis": {"kind": "consent", "consent": FIRST, "entry": 1},
        "content": FIRST,
        "accepted": 1,
        "publisher": "poe:kz:ala",
        "message": "m-1",
    }
    return written(number, "released", **{**fields, **changes})


def withheld(number, delivery, count, **changes):
    fields = {"subscriber": "registry:kz", "reason": "consent-refused", "accepted": 2}
    return written(number, "withheld", delivery=delivery, number=count, **{**fields, **changes})


def acknowledged(number, *deliveries, subscriber="registry:kz"):
    return written(
        number,
        "acknowledged",
        subscriber=subscriber,
        deliveries=list(deliveries),
        statement=STATEMENT,
    )


def sound_trail():
    """Return entries 0 to 8 of a trail in which everything holds."""
    return [
        written(0, "log-created", origin=ORIGIN),
        accepted(1, "m-1", FIRST),
        accepted(2, "m-2", SECOND),
        released(3, "d-1", 1),
        withheld(4, "d-2", 2),
        released(5, "d-3", 1, subscriber="registry:uz"),
        acknowledged(6, "d-1"),
        written(7, "refused", publisher="", message="", reason="malformed-message", content=FIRST),
        written(8, "exchange-stopped", role="worker"),
    ]


def checkpoint_over(entries, signer=SIGNER, origin=ORIGIN):
    tree = grow(0, {}, [hashed(raw) for raw in entries])
    return sign_checkpoint(Checkpoint(origin, tree.size, tree.root), signer)


def hashed(raw):
    return sha256(b"\0" + raw).digest()


def checked(entries, *extra_checkpoints):
    verification = TrailVerification(SIGNER.verifier)
    for raw in entries:
        verification.add_entry(raw)
    for note in extra_checkpoints or (checkpoint_over(entries),):
        verification.add_checkpoint(note)
    return verification.result()


def with_entry(index, raw):
    entries = sound_trail()
    entries[index] = raw
    return entries


def test_a_sound_trail_has_no_findings():
    entries = sound_trail()
    report = checked(entries)
    assert report.findings == ()
    assert report.holds
    assert report.size == 9
    assert report.root == grow(0, {}, [hashed(raw) for raw in entries]).root
    assert report.checkpoints == 1
    assert report.entries_by_type == {
        "log-created": 1,
        "accepted": 2,
        "released": 2,
        "withheld": 1,
        "acknowledged": 1,
        "refused": 1,
        "exchange-stopped": 1,
    }


def test_checkpoints_may_be_given_ahead_and_all_are_compared():
    entries = sound_trail()
    verification = TrailVerification(SIGNER.verifier)
    for size in (9, 4, 0, 9, 6):
        verification.add_checkpoint(checkpoint_over(entries[:size]))
    for raw in entries:
        verification.add_entry(raw)
    report = verification.result()
    assert report.findings == ()
    assert report.checkpoints == 4
    assert verification.size == 9


def test_numbers_may_come_out_of_order_as_long_as_none_is_missing():
    entries = sound_trail()
    entries[3], entries[4] = withheld(3, "d-2", 2), released(4, "d-1", 1)
    assert checked(entries).findings == ()


def test_a_changed_entry_contradicts_the_signed_root():
    signed = checkpoint_over(sound_trail())
    changed = with_entry(8, written(8, "exchange-stopped", role="relay"))
    assert checked(changed, signed).findings == (
        "The signed checkpoint of size 9 has another root than the entries.",
        "No signed checkpoint covers the trail from entry 0 on.",
    )


def test_swapped_entries_contradict_the_signed_root():
    entries = sound_trail()
    signed = checkpoint_over(entries)
    entries[1], entries[2] = entries[2], entries[1]
    assert any("another root" in finding for finding in checked(entries, signed).findings)


def test_a_split_view_is_found_when_both_signed_heads_are_shown():
    entries = sound_trail()
    fork = with_entry(8, written(8, "exchange-stopped", role="relay"))
    report = checked(entries, checkpoint_over(entries), checkpoint_over(fork))
    assert report.findings == (
        "The signed checkpoint of size 9 has another root than the entries.",
    )


def test_a_checkpoint_of_another_key_is_no_checkpoint():
    report = checked(sound_trail(), checkpoint_over(sound_trail(), OTHER))
    assert report.findings == (
        "A checkpoint given at size 9 is invalid: The trusted key has not signed this checkpoint.",
        "No signed checkpoint covers the trail from entry 0 on.",
    )


def test_a_checkpoint_beyond_the_end_means_that_entries_are_missing():
    entries = sound_trail()
    report = checked(entries[:-1], checkpoint_over(entries))
    assert report.findings == (
        "The signed checkpoint of size 9 covers entries that are not in the trail.",
        "No signed checkpoint covers the trail from entry 0 on.",
    )


def test_entries_after_the_last_checkpoint_are_not_covered():
    entries = sound_trail()
    verification = TrailVerification(SIGNER.verifier)
    verification.add_checkpoint(checkpoint_over(entries[:7]))
    for raw in entries:
        verification.add_entry(raw)
    assert verification.result().findings == (
        "No signed checkpoint covers the trail from entry 7 on.",
    )


def test_a_checkpoint_given_too_late_is_said_to_be():
    entries = sound_trail()
    report = checked(entries, checkpoint_over(entries), checkpoint_over(entries[:3]))
    assert report.findings == (
        "The checkpoint of size 3 was given only at size 9, too late to be compared.",
    )


def test_an_empty_trail_needs_its_checkpoint_too():
    assert not TrailVerification(SIGNER.verifier).result().holds
    verification = TrailVerification(SIGNER.verifier)
    verification.add_checkpoint(sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), SIGNER))
    assert verification.result().holds


@pytest.mark.parametrize(
    ("index", "raw", "finding"),
    [
        pytest.param(8, b'{"v":1}', "Entry 8 cannot be read: The trail entry", id="not-an-entry"),
        pytest.param(
            8,
            sound_trail()[8] + b"\n",
            "Entry 8 cannot be read: A trail entry is written in RFC 8785",
            id="not-canonical",
        ),
        pytest.param(
            0,
            written(0, "exchange-started", role="worker"),
            "Entry 0 does not name the trail",
            id="no-beginning",
        ),
        pytest.param(
            0,
            written(0, "log-created", origin="other.example/trail"),
            "Entry 0 names another trail",
            id="another-trail",
        ),
        pytest.param(
            8,
            written(8, "log-created", origin=ORIGIN),
            "Entry 8 begins the trail a second time",
            id="two-beginnings",
        ),
        pytest.param(
            8,
            written(6, "exchange-stopped", role="worker"),
            "Entry 8 is dated before the entry that precedes it",
            id="time-goes-back",
        ),
        pytest.param(
            4,
            withheld(4, "d-2", 1),
            "Entry 4 repeats a number of its subscriber",
            id="number-repeated",
        ),
        pytest.param(
            4,
            released(4, "d-9", 1),
            "Entry 4 repeats a number of its subscriber",
            id="number-repeated-by-release",
        ),
        pytest.param(
            4,
            withheld(4, "d-2", 4),
            "Entry 4 follows a gap: its subscriber's deliveries 2 to 3 are",
            id="gap",
        ),
        pytest.param(
            5,
            released(5, "d-3", 2, subscriber="registry:uz"),
            "Entry 5 follows a gap: its subscriber's deliveries 1 to 1 are",
            id="first-missing",
        ),
        pytest.param(
            4,
            withheld(4, "d-1", 2),
            "Entry 4 decides on a delivery that was decided before",
            id="delivery-repeated",
        ),
        pytest.param(
            5,
            released(5, "d-3", 1, subscriber="registry:uz", accepted=7),
            "Entry 5 names no earlier accepted entry",
            id="accepted-later",
        ),
        pytest.param(
            5,
            released(5, "d-3", 1, subscriber="registry:uz", accepted=5),
            "Entry 5 names no earlier accepted entry",
            id="accepted-itself",
        ),
        pytest.param(
            4,
            withheld(4, "d-2", 2, accepted=0),
            "Entry 4 names no earlier accepted entry",
            id="withheld-of-nothing",
        ),
        pytest.param(
            5,
            released(5, "d-3", 1, subscriber="registry:uz", message="m-2"),
            "Entry 5 names the accepted entry of another message",
            id="another-message",
        ),
        pytest.param(
            5,
            released(5, "d-3", 1, subscriber="registry:uz", publisher="poe:uz:tas"),
            "Entry 5 names the accepted entry of another message",
            id="another-publisher",
        ),
        pytest.param(
            5,
            released(5, "d-3", 1, subscriber="registry:uz", content=SECOND),
            "Entry 5 delivers other content than was accepted",
            id="other-content",
        ),
        pytest.param(
            5,
            released(
                5,
                "d-3",
                1,
                subscriber="registry:uz",
                basis={"kind": "consent", "consent": FIRST, "entry": 7},
            ),
            "Entry 5 rests on a consent that no earlier accepted entry brought",
            id="consent-from-nowhere",
        ),
        pytest.param(
            5,
            released(
                5,
                "d-3",
                1,
                subscriber="registry:uz",
                basis={"kind": "consent", "consent": SECOND, "entry": 1},
            ),
            "Entry 5 rests on another consent than its entry brought",
            id="another-consent",
        ),
        pytest.param(
            6,
            acknowledged(6, "d-1", "d-9"),
            "Entry 6 acknowledges a delivery that did not go to its subscriber",
            id="acknowledges-nothing",
        ),
        pytest.param(
            6,
            acknowledged(6, "d-3"),
            "Entry 6 acknowledges a delivery that did not go to its subscriber",
            id="acknowledges-anothers",
        ),
    ],
)
def test_a_finding_names_the_entry_and_is_the_only_one(index, raw, finding):
    entries = with_entry(index, raw)
    findings = checked(entries).findings
    assert len([one for one in findings if one.startswith(finding)]) == 1
    assert all(one.startswith(f"Entry {index} ") for one in findings)


def test_the_check_goes_on_after_a_finding():
    entries = sound_trail()
    entries[3] = b"not an entry"
    entries[8] = written(5, "exchange-stopped", role="worker")
    assert [finding.split(" ")[1] for finding in checked(entries).findings] == ["3", "6", "8", "4"]


def test_an_unreadable_first_entry_does_not_name_the_trail():
    assert len(checked(with_entry(0, b"")).findings) == 2


def test_findings_repeat_nothing_that_an_entry_says():
    told = read_entry(sound_trail()[5]).model_dump()
    told |= {"message": "Aliyeva", "delivery": "d-1", "purpose": "Aliyeva"}
    findings = checked(with_entry(5, entry_bytes(told))).findings
    assert findings
    assert "Aliyeva" not in "".join(findings)


def versioned_trail():
    """Return entries 0 to 8: one record with an original, a stale version and a correction."""
    basis = {"kind": "consent", "consent": FIRST, "entry": 1}
    return [
        written(0, "log-created", origin=ORIGIN),
        accepted(1, "m-1", FIRST),
        accepted(2, "m-2", SECOND, superseded_by=1),
        released(3, "d-1", 1, standing="current"),
        released(
            4,
            "d-2",
            2,
            standing="superseded",
            superseded_by=1,
            accepted=2,
            message="m-2",
            content=SECOND,
            basis=basis,
        ),
        accepted(5, "m-5", SECOND, supersedes=1),
        released(6, "d-3", 1, subscriber="registry:uz", standing="superseded", superseded_by=5),
        accepted(7, "m-7", FIRST, publisher="poe:kg:oss"),
        released(
            8, "d-4", 3, standing="current", accepted=5, message="m-5", content=SECOND, basis=basis
        ),
    ]


def test_versions_that_follow_each_other_have_no_findings():
    assert checked(versioned_trail()).findings == ()


UZ = {"subscriber": "registry:uz"}
NO_CURRENT = "what is no current version of its publisher's"
OTHERWISE = "says otherwise than the trail whether its version was superseded"


@pytest.mark.parametrize(
    ("index", "raw", "finding"),
    [
        pytest.param(
            8,
            accepted(8, "m-8", FIRST, supersedes=1),
            f"Entry 8 supersedes {NO_CURRENT}",
            id="replaced-twice",
        ),
        pytest.param(
            8,
            accepted(8, "m-8", FIRST, supersedes=2),
            f"Entry 8 supersedes {NO_CURRENT}",
            id="replaces-a-stale-one",
        ),
        pytest.param(
            8,
            accepted(8, "m-8", FIRST, supersedes=8),
            f"Entry 8 supersedes {NO_CURRENT}",
            id="replaces-itself",
        ),
        pytest.param(
            8,
            accepted(8, "m-8", FIRST, supersedes=9),
            f"Entry 8 supersedes {NO_CURRENT}",
            id="replaces-a-later-one",
        ),
        pytest.param(
            8,
            accepted(8, "m-8", FIRST, supersedes=3),
            f"Entry 8 supersedes {NO_CURRENT}",
            id="replaces-no-message",
        ),
        pytest.param(
            8,
            accepted(8, "m-8", FIRST, supersedes=7),
            f"Entry 8 supersedes {NO_CURRENT}",
            id="replaces-anothers",
        ),
        pytest.param(
            8,
            accepted(8, "m-8", FIRST, superseded_by=7),
            f"Entry 8 is superseded by {NO_CURRENT}",
            id="older-than-anothers",
        ),
        pytest.param(
            8,
            accepted(8, "m-8", FIRST, superseded_by=8),
            f"Entry 8 is superseded by {NO_CURRENT}",
            id="older-than-itself",
        ),
        pytest.param(
            8,
            accepted(8, "m-8", FIRST, superseded_by=1),
            f"Entry 8 is superseded by {NO_CURRENT}",
            id="older-than-a-replaced-one",
        ),
        pytest.param(
            6,
            released(6, "d-3", 1, **UZ, standing="current"),
            f"Entry 6 {OTHERWISE}",
            id="old-as-current",
        ),
        pytest.param(
            6, released(6, "d-3", 1, **UZ), f"Entry 6 {OTHERWISE}", id="old-as-no-version"
        ),
        pytest.param(
            3,
            released(3, "d-1", 1, standing="superseded", superseded_by=1),
            f"Entry 3 {OTHERWISE}",
            id="current-as-old",
        ),
        pytest.param(
            6,
            released(6, "d-3", 1, **UZ, standing="superseded", superseded_by=1),
            f"Entry 6 names as newer {NO_CURRENT}",
            id="newer-than-itself",
        ),
        pytest.param(
            6,
            released(6, "d-3", 1, **UZ, standing="superseded", superseded_by=8),
            f"Entry 6 names as newer {NO_CURRENT}",
            id="newer-comes-later",
        ),
    ],
)
def test_a_finding_on_versions_names_the_entry(index, raw, finding):
    entries = versioned_trail()
    entries[index] = raw
    findings = checked(entries).findings
    assert len([one for one in findings if one.startswith(finding)]) == 1
    assert all(one.startswith(f"Entry {index} ") for one in findings)


def test_a_release_by_a_mandate_names_the_law_and_needs_no_consent():
    mandate = {"kind": "mandate", "policy": FIRST, "version": 2, "mandate": "ihr"}
    trail = [
        written(0, "log-created", origin=ORIGIN),
        accepted(1, "m-1", FIRST),
        written(2, "policy-adopted", jurisdiction="KZ", version=2, document=FIRST),
        released(3, "d-1", 1, view="minimum", basis=mandate),
    ]

    assert checked(trail).findings == ()


@pytest.mark.parametrize(
    "basis",
    [
        {"kind": "mandate", "policy": FIRST, "version": 2},
        {"kind": "mandate", "policy": FIRST, "version": 2, "mandate": "ihr", "entry": 1},
        {"kind": "consent", "consent": FIRST, "entry": 1, "mandate": "ihr"},
        {"kind": "consent", "consent": "", "entry": 1},
        {"kind": "habit", "consent": FIRST, "entry": 1},
    ],
)
def test_a_basis_is_a_consent_or_a_mandate_whole(basis):
    with pytest.raises(SchemaViolation):
        read_entry(released(2, "d-1", 1, basis=basis))
