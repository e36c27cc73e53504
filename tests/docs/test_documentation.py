"""Everything public is named in the documentation."""

import re
from pathlib import Path

import pytest
import typer

from adapters.cli import app
from adapters.settings import Settings
from exchange.errors import Refusal
from exchange.metrics import METRIC_NAMES
from schemas.policy import Mandate, Policy, read_policy
from schemas.trail_entry import _OWN_FIELDS

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def commands(group, name="bhx"):
    for child, command in getattr(group, "commands", {}).items():
        yield from commands(command, f"{name} {child}")
    if not getattr(group, "commands", {}):
        yield name


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_every_setting_and_its_variable(setting):
    assert f"`{setting}` | `BHX_{setting.upper()}`" in TEXT


@pytest.mark.parametrize("file", ["compose.yaml", "Dockerfile", "bhx.service", "README.md"])
def test_every_variable_in_deploy_is_a_setting_or_said_to_be_ours(file):
    text = (PROJECT / "deploy" / file).read_text(encoding="utf-8")
    # The two that compose.yaml itself reads from deploy/.env.
    known = {"BHX_BROKER_PASSWORD", "BHX_DATABASE_PASSWORD"}
    known |= {f"BHX_{setting.upper()}" for setting in Settings.model_fields}

    assert set(re.findall(r"BHX_[A-Z_]+", text)) - {"BHX_NAME"} <= known


@pytest.mark.parametrize("command", sorted(commands(typer.main.get_command(app))))
def test_every_command(command):
    *_, last = command.split()

    assert command in TEXT or f"`{last}`" in TEXT


def test_the_example_of_a_policy_shows_every_member():
    body = (PROJECT / "docs" / "examples" / "policy-KZ.json").read_bytes()

    policy = read_policy(body)

    # What ends a period is absent while nobody knows it.
    assert Policy.model_fields.keys() - policy.model_fields_set == {"valid_until"}
    [mandate] = policy.mandates
    assert Mandate.model_fields.keys() == mandate.model_fields_set


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_every_metric(metric):
    assert f"`{metric}`" in TEXT


@pytest.mark.parametrize("reason", sorted(one.reason for one in Refusal.__subclasses__()))
def test_every_reason(reason):
    assert f"`{reason}`" in TEXT


@pytest.mark.parametrize("kind", sorted(_OWN_FIELDS))
def test_every_trail_entry(kind):
    assert f"`{kind}`" in TEXT
