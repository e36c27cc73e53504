"""Signed policies in a folder: `NAME.json`, its signature `NAME.json.jws`, and `NAME.jwk`.

The `.jwk` is the public key of the authority, which the operator got in another way and trusts.
"""

from pathlib import Path

from pydantic import ValidationError

from adapters.reading_files import read_file
from exchange.consent.self_test import self_test
from exchange.consent.signed_policy import read_signed_policy
from exchange.errors import ConfigurationError, UntrustedSender
from exchange.signing import VerifyingKey
from schemas.jwk import PublicJwk
from schemas.policy import Policy, read_policy
from schemas.violation import SchemaViolation

SIGNATURE_SUFFIX = ".jws"


def read_policies(folder: Path) -> tuple[Policy, ...]:
    """The policies of a folder, each verified; none is left out.

    Raises:
        ConfigurationError: the folder cannot be read, or a policy in it does not hold.
    """
    try:
        files = sorted(one for one in folder.iterdir() if one.suffix == ".json")
    except OSError as error:
        msg = f"The folder of policies {folder} cannot be read ({error.strerror})."
        raise ConfigurationError(msg) from error
    policies: list[Policy] = []
    for file in files:
        signature = file.with_name(file.name + SIGNATURE_SUFFIX)
        policies.append(verified_policy(file, signature, file.with_suffix(".jwk")))
    versions = [(one.jurisdiction, one.version) for one in policies]
    if len(set(versions)) != len(versions):
        msg = f"Two policies in {folder} are the same version for one jurisdiction: remove one."
        raise ConfigurationError(msg)
    return tuple(policies)


def policies_to_serve(folder: Path | None) -> tuple[Policy, ...]:
    """The policies of the folder, once every case of the self-test is decided as it must be.

    Args:
        folder: None when no policy is deployed.

    Raises:
        ConfigurationError: a policy does not hold, or a case fails; the text names it.
    """
    policies = () if folder is None else read_policies(folder)
    failed = self_test(policies)
    if failed:
        first = failed[0]
        msg = (
            f"The self-test of the consent rules fails in {len(failed)} cases, first in"
            f" '{first.name}': expected {first.expected}; found {first.found}. Correct the policy"
            " that is named, or install this version again."
        )
        raise ConfigurationError(msg)
    return policies


def verified_policy(file: Path, signature: Path, key: Path) -> Policy:
    """The policy in that file, signed with that key.

    Raises:
        ConfigurationError: a file cannot be read, or the signature or the policy does not hold.
    """
    text = read_file(signature).decode("ascii", "replace")
    try:
        return read_signed_policy(read_file(file), text, read_verifying_key(key))
    except ConfigurationError as error:
        msg = f"{file}: {error}"
        raise ConfigurationError(msg) from None


def unverified_policy(file: Path) -> Policy:
    """The policy in that file, whoever signed it.

    Raises:
        ConfigurationError: the file cannot be read, or holds none.
    """
    try:
        return read_policy(read_file(file))
    except SchemaViolation as violation:
        told = " ".join(f"{one.expression}: {one.text}" for one in violation.problems)
        msg = f"{file}: {told}"
        raise ConfigurationError(msg) from None


def read_verifying_key(file: Path) -> VerifyingKey:
    """The public key in that file.

    Raises:
        ConfigurationError: it holds no public JWK that can verify a signature.
    """
    try:
        return VerifyingKey.from_jwk(PublicJwk.model_validate_json(read_file(file)))
    except (ValidationError, UntrustedSender):
        msg = f"{file} must hold the authority's public JWK: `bhx key show` prints it."
        raise ConfigurationError(msg) from None
