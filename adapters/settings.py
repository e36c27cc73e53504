"""Every setting of the exchange, its form and its default; read once, by the entry points.

Each is also an environment variable: `BHX_` and the name in capitals, such as `BHX_DATABASE`.
Command-line options win over the environment.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from exchange.errors import ConfigurationError
from schemas.participant import ParticipantId

ServeRole = Literal["all", "api", "worker", "relay"]


class Settings(BaseSettings):
    """What an operator can set.

    Attributes:
        data: folder of keys and, without `database`, of the store; made at the first start.
        policies: folder of signed policies of jurisdictions; without it no law is known.
        database: `postgresql://…` or `sqlite:///…`; none is a SQLite file under `data`.
        broker: `amqp://…`; none is the embedded exchange: HTTP in, and fetched by cursor.
        role: what this process does; `all` does everything.
        workers: processes that take messages from the broker.
        listen: `host:port` of the HTTP interface.
        public_url: how participants reach it; the audience of their logins.
        origin: name of the trail (C2SP: a schema-less URL); never change it afterwards.
        exchange: this exchange's own participant id.
        max_message_bytes: the largest message read.
        batch_size: the most messages decided in one transaction.
        prefetch: the most messages a worker holds unacknowledged.
        resend_after_seconds: how long a delivery may stay unsent before the relay sends it again;
            longer than any publish under way takes.
        slip_days: how long a traveller's slip opens their disclosure report.
        erasure_ledger: file of the erased travellers' random ids, by which a restored backup
            forgets them again; `erasures.ledger` under `data`. Never restore it from a backup.
        retain_every_hours: how often records that were kept long enough are erased.
    """

    model_config = SettingsConfigDict(
        env_prefix="BHX_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    data: Path = Path("bhx-data")
    policies: Path | None = None
    database: str | None = None
    broker: str | None = None
    role: ServeRole = "all"
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    listen: Annotated[str, StringConstraints(pattern=r"^[^\s:]+:\d{1,5}$")] = "127.0.0.1:8080"
    public_url: str | None = None
    origin: Annotated[str, StringConstraints(pattern=r"^[^\s+]{1,200}$")] = (
        "border-health-exchange.local/trail"
    )
    exchange: ParticipantId = "exchange:local"
    max_message_bytes: Annotated[int, Field(ge=1_024, le=64 * 1_048_576)] = 1_048_576
    batch_size: Annotated[int, Field(ge=1, le=1_000)] = 100
    prefetch: Annotated[int, Field(ge=1, le=10_000)] = 400
    resend_after_seconds: Annotated[float, Field(ge=0.1, le=3_600)] = 10.0
    slip_days: Annotated[int, Field(ge=1, le=3_650)] = 365
    erasure_ledger: Path | None = None
    retain_every_hours: Annotated[float, Field(ge=0.01, le=24 * 31)] = 24.0

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        _require_scheme(self.broker, {"amqp", "amqps"}, "broker")
        _require_scheme(
            self.database,
            {"postgresql", "postgresql+asyncpg", "sqlite", "sqlite+aiosqlite"},
            "database",
        )
        _require_scheme(self.public_url, {"http", "https"}, "public_url")
        if self.broker is None and self.role == "worker":
            msg = "role worker takes messages from a broker: set broker"
            raise ValueError(msg)
        if self.broker is None and self.workers > 1:
            msg = "workers share a broker's queue: set broker, or leave workers at 1"
            raise ValueError(msg)
        if int(self.listen.rpartition(":")[2]) > 65_535:
            msg = "listen: a port is at most 65535"
            raise ValueError(msg)
        return self

    @property
    def database_url(self) -> str:
        """The store's URL, the SQLite file under `data` by default."""
        return self.database or f"sqlite:///{self.data.absolute() / 'exchange.sqlite'}"

    @property
    def erasure_ledger_file(self) -> Path:
        """The ledger of erasures, under `data` by default."""
        return self.erasure_ledger or self.data / "erasures.ledger"

    @property
    def base_url(self) -> str:
        """The public URL without a trailing slash."""
        # Nobody can log in "at" 0.0.0.0, which only says to listen on every address.
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host  # noqa: S104
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def host(self) -> str:
        """The host to listen on."""
        return self.listen.rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port to listen on; 0 takes a free one."""
        return int(self.listen.rpartition(":")[2])


def read_settings(**given: Any) -> Settings:
    """The settings from the environment and what was given (None means not given).

    Raises:
        ConfigurationError: names every wrong setting and the expected form.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False, include_context=False)
        sentences = [_sentence(detail["loc"], detail["msg"]) for detail in details]
        raise ConfigurationError("; ".join(sentences)) from None


def _sentence(location: tuple[int | str, ...], text: str) -> str:
    name = str(location[0]) if location else ""
    cause = text.removeprefix("Value error, ")
    return f"setting {name} (BHX_{name.upper()}): {cause}" if name else f"setting {cause}"


def _require_scheme(url: str | None, schemes: set[str], name: str) -> None:
    if url is not None and urlsplit(url).scheme not in schemes:
        msg = f"{name} must be a URL that starts with {' or '.join(sorted(schemes))}://"
        raise ValueError(msg)
