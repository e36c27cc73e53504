"""`bhx key`: a participant's signing key."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from adapters.cli.answering import JsonOption, remark, write_json

key = typer.Typer(
    no_args_is_help=True,
    help="Make and show the key that a participant signs with.",
)


@key.command("new")
def new(
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the private key.")],
    algorithm: Annotated[
        Literal["Ed25519", "ES256"],
        typer.Option("--alg", help="ES256 for hardware and libraries that lack Ed25519."),
    ] = "Ed25519",
    as_json: JsonOption = False,
) -> None:
    """Make a key pair; the private key goes to a new file that only you can read.

    Prints the public key (a JWK). That is what the exchange needs to know; the private key never
    leaves this machine. A file that exists is never overwritten.

    Example: `bhx key new --out poe-kz-ala.key`
    """
    from adapters.key_files import write_signing_key
    from exchange.signing import SigningKey

    made = SigningKey.generate(algorithm)
    write_signing_key(out, made)
    _show(out, made, as_json=as_json)
    if not as_json:
        remark(f"Private key: {out} (mode 0600). Keep it; nobody can make it again.")


@key.command("show")
def show(
    file: Annotated[Path, typer.Argument(help="A private key made by `bhx key new`.")],
    as_json: JsonOption = False,
) -> None:
    """Print the public half of a key, to hand to the exchange's operator."""
    from adapters.key_files import read_signing_key

    _show(file, read_signing_key(file), as_json=as_json)


def _show(file: Path, signing_key: Any, *, as_json: bool) -> None:
    public = signing_key.public_jwk()
    if as_json:
        write_json(
            {
                "file": str(file),
                "kid": signing_key.key_id,
                "algorithm": signing_key.algorithm,
                "public_jwk": public,
            }
        )
    else:
        typer.echo(json.dumps(public, indent=2))
