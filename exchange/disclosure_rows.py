"""What the store keeps of who received what about one traveller, as the report needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exchange.model import (
    ConsentOnFile,
    Grant,
    PendingDelivery,
    RecallAnswer,
    ReleasedDelivery,
    Slip,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedDelivery:
    """A delivery that was let out or withheld, or a notice of recall in any state.

    Attributes:
        released: None for a notice that still waits.
        acknowledged_entry: trail index at which the subscriber signed for it.
        answer: to a notice.
        answered_entry: trail index of that answer.
    """

    pending: PendingDelivery
    released: ReleasedDelivery | None
    acknowledged_entry: int | None
    answer: RecallAnswer | None
    answered_entry: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureRows:
    """Everything about one traveller, merged subjects included.

    Attributes:
        deliveries: in the order of the trail; notices that wait come last.
        consents: every statement on file.
        policies: exact bytes of those that bases name, by digest.
        grants: broken glass, each with the trail index that opened it.
        slips: in the order they were issued.
    """

    deliveries: Sequence[ReportedDelivery] = ()
    consents: Sequence[ConsentOnFile] = ()
    policies: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    grants: Sequence[tuple[Grant, int]] = ()
    slips: Sequence[Slip] = ()
