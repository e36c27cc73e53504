"""Who received what about one traveller: the rows of the disclosure report."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, or_, select

from adapters.store.database import Statements
from adapters.store.grants import SELECT_GRANTS, read_grant
from adapters.store.keys import ByKeys
from adapters.store.rows import SELECT_DELIVERIES, read_consent_row, read_delivery, read_slip
from adapters.store.sealed import all_subjects
from adapters.store.tables import (
    consents,
    deliveries,
    grants,
    is_notice,
    is_pending,
    policies,
    slips,
)
from exchange.disclosure_rows import DisclosureRows, ReportedDelivery
from exchange.model import MandateBasis

#: A record that still waits was not let out; a notice that waits is already owed.
_DELIVERIES = ByKeys(
    deliveries.c.subject_id,
    lambda among: SELECT_DELIVERIES.where(among, or_(~is_pending, is_notice)).order_by(
        deliveries.c.entry_index.is_(None), deliveries.c.entry_index, deliveries.c.number
    ),
)
_CONSENTS = ByKeys(
    consents.c.subject_id,
    lambda among: (
        select(consents).where(among).order_by(consents.c.basis_entry, consents.c.position)
    ),
)
_POLICIES = ByKeys(
    policies.c.digest, lambda among: select(policies.c.digest, policies.c.body).where(among)
)
_GRANTS = ByKeys(grants.c.subject_id, SELECT_GRANTS.where)
_SLIPS = ByKeys(
    slips.c.subject_id,
    lambda among: select(slips).where(among).order_by(slips.c.issued_at, slips.c.token_digest),
)


async def read_disclosures(statements: Statements, subject_id: str) -> DisclosureRows:
    """All that was let out or withheld about that traveller, merged subjects included."""
    of = list(await all_subjects(statements, [subject_id]))
    found = [_reported(row) for row in await _DELIVERIES.rows(statements, of)]
    named = await _POLICIES.rows(statements, _policies_of(found))
    return DisclosureRows(
        deliveries=found,
        consents=[read_consent_row(row) for row in await _CONSENTS.rows(statements, of)],
        policies={row.digest: row.body for row in named},
        grants=[(read_grant(row), row.opened_entry) for row in await _GRANTS.rows(statements, of)],
        slips=[read_slip(row) for row in await _SLIPS.rows(statements, of)],
    )


def _policies_of(found: Iterable[ReportedDelivery]) -> list[str]:
    bases = (one.pending.basis for one in found)
    return [basis.policy for basis in bases if isinstance(basis, MandateBasis)]


def _reported(row: Row[Any]) -> ReportedDelivery:
    delivery = read_delivery(row)
    return ReportedDelivery(
        pending=delivery.pending,
        released=delivery.released,
        acknowledged_entry=row.acknowledged_entry,
        answer=delivery.answer,
        answered_entry=row.answered_entry,
    )
