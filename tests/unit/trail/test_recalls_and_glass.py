"""What a whole-trail check notices of recalls, their answers and broken glass."""

import pytest

from tests.unit.trail.test_trail_verification import (
    FIRST,
    ORIGIN,
    SECOND,
    STATEMENT,
    accepted,
    checked,
    released,
    written,
)

KZ, UZ, HOSPITAL = "registry:kz", "registry:uz", "hospital:kz:ala"
OPEN_UNTIL = "2026-11-23T16:00:00.000Z"


def recalled(number, notice, count, recalls, subscriber=KZ, because=2):
    return written(
        number,
        "recalled",
        delivery=notice,
        subscriber=subscriber,
        number=count,
        recalls=recalls,
        cause="consent-withdrawn",
        deadline="2026-11-26T12:00:00.000Z",
        because=because,
    )


def answered(number, *notices, answer="ceased", subscriber=KZ):
    return written(
        number,
        "recall-answered",
        subscriber=subscriber,
        notices=list(notices),
        answer=answer,
        statement=STATEMENT,
    )


def opened(number, grant="g-1", participant=HOSPITAL, until=OPEN_UNTIL, **more):
    return written(
        number,
        "break-glass-opened",
        grant=grant,
        participant=participant,
        reason="emergency-treatment",
        until=until,
        **more,
    )


def reviewed(number, grant="g-1", reviewer="auditor:who-euro"):
    return written(
        number, "break-glass-reviewed", grant=grant, reviewer=reviewer, outcome="justified"
    )


def shown(number, delivery, grant="g-1", subscriber=HOSPITAL, count=1):
    return released(
        number,
        delivery,
        count,
        subscriber=subscriber,
        purpose="BTG",
        basis={"kind": "break-glass", "grant": grant},
    )


def sound():
    """Return entries 0 to 12 of a trail in which everything holds."""
    return [
        written(0, "log-created", origin=ORIGIN),
        accepted(1, "m-1", FIRST),
        accepted(2, "m-2", SECOND),
        released(3, "d-1", 1),
        released(4, "d-2", 1, subscriber=UZ),
        recalled(5, "n-1", 2, "d-1"),
        recalled(6, "n-2", 2, "d-2", UZ),
        answered(7, "n-1"),
        answered(8, "n-1", answer="deleted"),
        answered(9, "n-2", answer="deleted", subscriber=UZ),
        opened(10, approver="ministry:kz"),
        shown(11, "d-3"),
        reviewed(12),
    ]


def test_a_sound_trail_has_no_findings():
    assert checked(sound()).findings == ()


@pytest.mark.parametrize(
    ("index", "raw", "finding"),
    [
        (5, recalled(5, "n-1", 2, "d-2"), "recalls what was not released to its subscriber"),
        (5, recalled(5, "n-1", 2, "d-9"), "recalls what was not released to its subscriber"),
        (6, recalled(6, "n-2", 3, "d-1"), "recalls what was recalled before"),
        (5, recalled(5, "n-1", 2, "d-1", because=3), "names no earlier accepted entry"),
        (7, answered(7, "n-2"), "answers a recall that did not go to its subscriber"),
        (7, answered(7, "d-1"), "answers a recall that did not go to its subscriber"),
        (7, answered(7, "n-1", "n-1"), "answers a recall twice"),
        (8, answered(8, "n-1"), "answers a recall that was answered before"),
        (12, answered(12, "n-1"), "answers a recall that was answered before"),
        (12, answered(12, "n-1", answer="deleted"), "answers a recall that was answered before"),
        (10, opened(10, participant=KZ), "rests on a broken glass that was not open for it"),
        (10, opened(10, until="2026-11-23T12:00:10.500Z"), "rests on a broken glass"),
        (11, shown(11, "d-3", grant="g-2"), "rests on a broken glass that was not open for it"),
        (10, opened(10, until="2026-11-23T12:00:10.000Z"), "opens a grant whose time is over"),
        (10, opened(10, approver=HOSPITAL), "opens a grant that only one participant agreed to"),
        (12, opened(12), "opens a grant that was opened before"),
        (12, reviewed(12, grant="g-2"), "reviews a grant that no earlier entry opened"),
        (12, reviewed(12, reviewer=HOSPITAL), "reviews a grant of its own reviewer"),
        (12, reviewed(12, reviewer="ministry:kz"), "reviews a grant of its own reviewer"),
    ],
)
def test_a_finding_names_the_entry(index, raw, finding):
    entries = sound()
    entries[index] = raw

    assert any(finding in one for one in checked(entries).findings), checked(entries).findings


def test_a_second_review_is_found():
    findings = checked([*sound(), reviewed(13)]).findings

    assert findings == ("Entry 13 reviews a grant that was reviewed before.",)
