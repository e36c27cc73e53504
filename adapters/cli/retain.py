"""`bhx retain`: erase what was kept for as long as policies say."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli.answering import JsonOption, remark, run, write_json
from adapters.cli.own_store import DatabaseOption, DataOption, PoliciesOption, own_exchange
from exchange.errors import ConfigurationError

if TYPE_CHECKING:
    from exchange.retention import RetentionReport


def retain(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; say what would be erased.")
    ] = False,
    policies: PoliciesOption = None,
    data: DataOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase records that were kept for the days that the policy of their place of collection says.

    `bhx serve` does the same, daily unless BHX_RETAIN_EVERY_HOURS says otherwise. What a legal hold
    keeps is listed. Recipients keep what they have by their own law.

    Example: `bhx retain --dry-run --policies policies`
    """
    report = run(_retain(policies, data, database, dry_run=dry_run))
    if as_json:
        write_json(
            {
                "dry_run": dry_run,
                "erased": [
                    {
                        "jurisdiction": one.jurisdiction,
                        "version": one.version,
                        "messages": one.messages,
                        "travellers": one.travellers,
                    }
                    for one in report.expired
                ],
                "held": [
                    {"hold": one.hold_id, "authority": one.authority, "messages": one.messages}
                    for one in report.held
                ],
            }
        )
        return
    done = "would be erased" if dry_run else "erased"
    for one in report.expired:
        typer.echo(
            f"{one.jurisdiction} version {one.version}: {one.messages} messages {done},"
            f" of {one.travellers} travellers nothing is left"
        )
    for held in report.held:
        typer.echo(f"hold {held.hold_id} ({held.authority}): {held.messages} messages kept")
    if not report.expired and not report.held:
        remark("Nothing has been kept too long.")


async def _retain(
    policies: Path | None, data: Path | None, database: str | None, *, dry_run: bool
) -> "RetentionReport":
    async with own_exchange(data, database, policies=policies, with_policies=True) as exchange:
        if not exchange.retention.policies:
            msg = "Without policies no record expires: set --policies (BHX_POLICIES)."
            raise ConfigurationError(msg)
        return await exchange.retention.run(dry_run=dry_run)
