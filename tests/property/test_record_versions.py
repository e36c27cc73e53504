"""Any order of arrival of a record's versions, in any batches: the same one is current at last."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from exchange.facts import Facts
from exchange.ports import TreeHead
from exchange.trail.verify import TrailVerification
from schemas.trail_entry import read_entry
from tests.contract.recorded_world import (
    NOW,
    SIGNER,
    VAULT,
    accepted,
    message,
    recording_on,
)

RECORDS = [bytes([number]) * 32 for number in range(3)]

#: (record, hour of the version); no two alike, so that only the order of arrival is open.
ARRIVALS = st.lists(
    st.tuples(st.sampled_from(RECORDS), st.integers(0, 20)), min_size=1, max_size=12, unique=True
)
BATCHES = st.lists(st.integers(1, 5), min_size=12, max_size=12)


class Trail:
    """A trail without a store: its head grows, its facts stay."""

    def __init__(self):
        self.facts = Facts()
        self.head = TreeHead(size=0, edge={}, last_entry_at=None, directory_version=0)
        self.verification = TrailVerification(SIGNER.verifier)

    def accept(self, messages):
        """Enter one batch; its `accepted` and `released` entries by index."""
        recording = recording_on(self, self.facts)
        for one in messages:
            recording.accept(accepted(one), VAULT)
        batch = recording.close(SIGNER)
        self.head = TreeHead(
            size=batch.size,
            edge={**batch.edge, **batch.tiles},
            last_entry_at=batch.at,
            directory_version=0,
        )
        self.verification.add_checkpoint(batch.checkpoint)
        for raw in batch.entries:
            self.verification.add_entry(raw)
        return {
            index: read_entry(raw) for index, raw in enumerate(batch.entries, batch.first_index)
        }


def arrive(arrivals, batches):
    trail, entries, versions = Trail(), {}, {}
    sizes, rest = iter(batches), list(arrivals)
    while rest:
        size = next(sizes)
        part, rest = rest[:size], rest[size:]
        opened = [
            message("id|1", record=record, version_at=NOW - timedelta(hours=hours))
            for record, hours in part
        ]
        entered = trail.accept(opened)
        by_message = {
            one.identity.message_id: arrival for one, arrival in zip(opened, part, strict=True)
        }
        for index, entry in entered.items():
            if entry.type == "accepted":
                versions[index] = by_message[entry.message]
        entries |= entered
    return trail, entries, versions


@given(ARRIVALS, BATCHES)
def test_the_youngest_version_is_current_and_exactly_the_stale_are_marked(arrivals, batches):
    trail, entries, versions = arrive(arrivals, batches)

    seen = {}
    for index, (record, hours) in versions.items():
        earlier = seen.setdefault(record, [])
        entry = entries[index]
        youngest = min(earlier, default=None)
        if youngest is None:
            assert (entry.supersedes, entry.superseded_by) == (None, None)
        elif youngest[0] < hours:
            assert (entry.supersedes, entry.superseded_by) == (None, youngest[1])
        else:
            assert (entry.supersedes, entry.superseded_by) == (youngest[1], None)
        earlier.append((hours, index))
    for record, known in seen.items():
        # Hours are counted back from now: the smallest is the youngest.
        assert trail.facts.versions[record].entry_index == min(known)[1]


@given(ARRIVALS, BATCHES)
def test_deliveries_agree_with_acceptances_and_the_trail_holds(arrivals, batches):
    trail, entries, _ = arrive(arrivals, batches)

    for entry in entries.values():
        if entry.type == "released":
            assert entry.superseded_by == entries[entry.accepted].superseded_by
            assert entry.standing == ("superseded" if entry.superseded_by else "current")
    assert trail.verification.result().findings == ()


@given(ARRIVALS, st.randoms(use_true_random=False), BATCHES, BATCHES)
def test_the_order_of_arrival_does_not_choose_the_current_version(arrivals, random, one, other):
    shuffled = random.sample(arrivals, len(arrivals))
    currents = []
    for order, batches in ((arrivals, one), (shuffled, other)):
        trail, _, versions = arrive(order, batches)
        newest = trail.facts.versions
        currents.append({record: versions[newest[record].entry_index] for record in newest})

    assert currents[0] == currents[1]
