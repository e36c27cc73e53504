"""`bhx policy`: the policy of a jurisdiction, signed by its authority."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.cli.answering import JsonOption, on_stdout, write_json
from exchange.errors import ConfigurationError

if TYPE_CHECKING:
    from schemas.policy import Policy

policy = typer.Typer(
    no_args_is_help=True,
    help="What a jurisdiction's law lets move without a consent, and what it forbids.",
)

FileArgument = Annotated[Path, typer.Argument(help="A policy document (JSON).")]


@policy.command("sign")
def sign(
    file: FileArgument,
    key: Annotated[Path, typer.Option(help="The authority's private key (`bhx key new`).")],
    authority: Annotated[str, typer.Option(help="Id of the authority, such as authority:kz.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File of the signature. [FILE.jws]", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a policy's exact bytes; the document is checked first.

    Example: `bhx policy sign KZ.json --key authority.key --authority authority:kz`
    """
    from adapters.key_files import read_signing_key
    from adapters.policy_files import SIGNATURE_SUFFIX, unverified_policy
    from adapters.reading_files import read_file
    from exchange.consent.signed_policy import sign_policy

    found = unverified_policy(file)
    target = out or file.with_name(file.name + SIGNATURE_SUFFIX)
    signature = sign_policy(
        read_file(file),
        read_signing_key(key),
        authority=authority,
        issued_at=int(datetime.now(UTC).timestamp()),
    )
    try:
        target.write_text(signature + "\n", encoding="ascii")
    except OSError as error:
        msg = f"{target} cannot be written ({error.strerror})."
        raise ConfigurationError(msg) from error
    _show(found, {"signature": str(target)}, as_json=as_json)


@policy.command("show")
def show(file: FileArgument, as_json: JsonOption = False) -> None:
    """Say what a policy holds, signed or not, with its digest as the trail names it."""
    from adapters.policy_files import unverified_policy

    _show(unverified_policy(file), {}, as_json=as_json)


@policy.command("check")
def check(
    file: FileArgument,
    key: Annotated[Path, typer.Option(help="The authority's public key (JWK).")],
    signature: Annotated[
        Path | None, typer.Option(help="Its signature. [FILE.jws]", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that the authority signed exactly this policy, and that its rules hold together.

    Exits with 1 when what must follow from it does not, 2 when it is not what was signed.

    Example: `bhx policy check KZ.json --key authority.jwk`
    """
    from adapters.policy_files import SIGNATURE_SUFFIX, verified_policy
    from exchange.consent.self_test import self_test

    found = verified_policy(file, signature or file.with_name(file.name + SIGNATURE_SUFFIX), key)
    failed = [one.name for one in self_test([found])]
    _show(found, {"signed": True, "failed": failed}, as_json=as_json)
    if failed:
        raise typer.Exit(1)


def _show(found: "Policy", more: dict[str, Any], *, as_json: bool) -> None:
    values = {
        "jurisdiction": found.jurisdiction,
        "version": found.version,
        "authority": found.authority,
        "valid_from": found.valid_from.isoformat(),
        "valid_until": found.valid_until and found.valid_until.isoformat(),
        "digest": found.digest,
        "mandates": [one.id for one in found.mandates],
        "forbids": len(found.forbids),
        "break_glass": list(found.break_glass.participants) if found.break_glass else [],
        **more,
    }
    if as_json:
        write_json(values)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None)
    for name, value in values.items():
        table.add_row(name, Text(_cell(value)))
    on_stdout().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(value) if isinstance(value, list) else str(value or "-")
    return text or "-"
