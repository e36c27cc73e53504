"""`bhx rabbitmq`: what the broker has to know of the directory."""

import json
import secrets
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer

from adapters.cli.answering import JsonOption, remark, run, write_json
from adapters.cli.own_store import DatabaseOption, DataOption, own_exchange
from exchange.errors import ConfigurationError

rabbitmq = typer.Typer(no_args_is_help=True, help="What RabbitMQ has to know of the directory.")


@rabbitmq.callback()
def _group() -> None:
    """Keeps `definitions` a subcommand while it is the only one."""


@rabbitmq.command("definitions")
def definitions(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File for the definitions; - is standard output.")
    ],
    passwords: Annotated[
        Path | None,
        typer.Option(
            help="File (mode 0600) of the users' passwords; users in it keep theirs. [beside"
            " --out]",
            show_default=False,
        ),
    ] = None,
    vhost: Annotated[str, typer.Option(help="Where everything lies.")] = "/",
    exchange_user: Annotated[
        str | None,
        typer.Option(
            help="The exchange's own user, for `bhx serve --broker`. [that of BHX_BROKER, or"
            " bhx-exchange]",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write users, permissions, queues and exchanges for everybody in the directory.

    Each participant's user may write only to its own exchanges and read only its own queues.
    Import the file with `rabbitmqctl import_definitions FILE`, after every `bhx participant`
    change; hand each participant its own password. The exchange's own password is the one in
    BHX_BROKER, where that is set.
    """
    from adapters.rabbitmq.definitions import hashed_password, rabbitmq_definitions

    to_stdout = str(out) == "-"
    if to_stdout and passwords is None:
        raise ConfigurationError(
            "With --out - the file for the passwords must be given: set --passwords."
        )
    participants = run(_participants(data, database))
    secrets_file = passwords or out.with_name(out.stem + ".passwords.json")
    known = _read_passwords(secrets_file)
    own_user, own_password = _own_login()
    exchange_user = exchange_user or own_user
    if own_password is not None and exchange_user == own_user:
        # The running exchange logs in with it: any other would lock it out at the import.
        known[exchange_user] = own_password

    def password_hash(user: str) -> str:
        return hashed_password(known.setdefault(user, secrets.token_urlsafe(32)))

    document = rabbitmq_definitions(
        participants, vhost=vhost, exchange_user=exchange_user, password_hash=password_hash
    )
    # Passwords first: definitions whose passwords nobody has would lock everybody out.
    _write(secrets_file, json.dumps(known, indent=2))
    if to_stdout:
        typer.echo(json.dumps(document, indent=2))
        remark(f"Passwords: {secrets_file} (mode 0600).")
        return
    _write(out, json.dumps(document, indent=2))
    users = [user["name"] for user in document["users"]]
    if as_json:
        write_json({"definitions": str(out), "passwords": str(secrets_file), "users": users})
        return
    typer.echo(f"{out}: {len(users)} users, {len(document['queues'])} queues")
    remark(f"Passwords: {secrets_file} (mode 0600). Import: rabbitmqctl import_definitions {out}")


def _own_login() -> tuple[str, str | None]:
    """The user and password that `bhx serve` takes from BHX_BROKER."""
    from adapters.settings import read_settings

    parts = urlsplit(read_settings(role="all", workers=1).broker or "")
    password = None if parts.password is None else unquote(parts.password)
    return unquote(parts.username or "bhx-exchange"), password


async def _participants(data: Path | None, database: str | None) -> list:  # type: ignore[type-arg]
    async with own_exchange(data, database) as exchange:
        return list((await exchange.directory.checked()).participants())


def _read_passwords(file: Path) -> dict[str, str]:
    from adapters.key_files import read_private

    if not file.exists():
        return {}
    try:
        known = json.loads(read_private(file))
        if all(isinstance(one, str) for pair in known.items() for one in pair):
            return dict(known)
    except (ValueError, AttributeError):
        pass
    msg = f"{file} must hold a JSON object of users and passwords, as this command writes it."
    raise ConfigurationError(msg)


def _write(file: Path, text: str) -> None:
    """Replace the file; even the definitions hold password hashes."""
    from adapters.key_files import write_private

    beside = file.with_name(f".{file.name}.new")
    try:
        beside.unlink(missing_ok=True)
        write_private(beside, text.encode() + b"\n")
        beside.replace(file)
    except OSError as error:
        msg = f"{file} cannot be written ({error.strerror})."
        raise ConfigurationError(msg) from error
