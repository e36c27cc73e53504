"""The exchange's own store and keys, opened beside or without a running `bhx serve`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli.answering import remark
from exchange.errors import ConfigurationError

if TYPE_CHECKING:
    from adapters.bootstrap import Exchange

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="The exchange's folder (BHX_DATA). [bhx-data]",
        show_default=False,
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="postgresql://… or sqlite:///… (BHX_DATABASE); none is the file under --data.",
        show_default=False,
    ),
]

PoliciesOption = Annotated[
    Path | None,
    typer.Option(
        "--policies",
        help="Folder of signed policies of jurisdictions (BHX_POLICIES).",
        show_default=False,
    ),
]


@asynccontextmanager
async def own_exchange(
    data: Path | None,
    database: str | None,
    *,
    may_be_new: bool = False,
    policies: Path | None = None,
    with_policies: bool = False,
) -> AsyncIterator["Exchange"]:
    """The exchange in that folder, without its broker.

    Args:
        data: its folder, or the one of the settings.
        database: its database, or the one of the settings.
        may_be_new: whether it is made when there is none.
        policies: folder of policies, or the one of the settings.
        with_policies: whether what is done rests on policies.

    Raises:
        ConfigurationError: there is none, and it may not be made here.
        Unavailable: the database does not answer.
    """
    from adapters.bootstrap import open_exchange
    from adapters.policy_files import policies_to_serve
    from adapters.settings import read_settings

    settings = read_settings(data=data, database=database, policies=policies).model_copy(
        update={"broker": None, "role": "all", "workers": 1}
    )
    is_new = not (settings.data / "keys").exists()
    if is_new and not may_be_new:
        msg = (
            f"{settings.data} holds no exchange: give its folder with --data"
            " (`bhx serve` and `bhx participant admit` make one)."
        )
        raise ConfigurationError(msg)
    deployed = policies_to_serve(settings.policies) if with_policies else ()
    async with open_exchange(settings, policies=deployed) as exchange:
        if is_new:
            remark(
                f"First use: keys were made in {settings.data / 'keys'}. Keep a copy in a safe"
                " place: without master.key no stored record can be read again."
            )
        yield exchange
