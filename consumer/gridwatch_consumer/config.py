"""The configuration: one TOML file, read whole, with every mistake listed by file and key.

Secrets are never in the file itself: a password is a table with one of `env` (name of a variable), `file`, or
`credential` (a file of systemd's `LoadCredential=`).
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from .toml_table import MISSING, ConfigError, Secret, Table

CONTRACT = Path(__file__).resolve().parent.parent.parent / "contract"


@dataclass(frozen=True)
class Mqtt:
    """The broker. `tls` is on unless switched off; the certificate is always checked."""

    host: str
    port: int
    client_id: str
    username: str | None
    password: Secret | None
    tls: bool
    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None
    keep_alive_s: int
    session_days: int
    receive_max: int


@dataclass(frozen=True)
class Topics:
    """Whose events: `{root}/{county}/{town}/+/…`; `share` names the group of consumers that divide them;
    empty, there is one consumer and no group."""

    root: str
    county: str
    town: str
    share: str


@dataclass(frozen=True)
class Database:
    """`dsn` is libpq's connection string, without the password."""

    dsn: str
    password: Secret | None


@dataclass(frozen=True)
class Answers:
    """What is written back. A county that only reads switches all three off."""

    source: str
    receipts: bool
    resync: bool
    pictures: bool
    commands_per_minute: int


@dataclass(frozen=True)
class Patience:
    """When to ask and when to stop asking; seconds. Each question waits twice as long as the one before."""

    grace_s: float
    first_backoff_s: float
    longest_backoff_s: float
    give_up_after: int


@dataclass(frozen=True)
class Keep:
    """Days after which things are deleted."""

    pictures_days: int
    unclaimed_days: int
    most_unclaimed: int
    commands_days: int
    quarantine_days: int
    old_epoch_s: float


@dataclass(frozen=True)
class Config:
    """Everything that is set."""

    mqtt: Mqtt
    topics: Topics
    database: Database
    answers: Answers
    resync: Patience
    pictures: Patience
    keep: Keep
    contract: Path
    # Folder of the gateways' public keys; without it signatures are not looked at.
    keys: Path | None


def load(path: Path) -> Config:
    """Reads and checks the file; raises `ConfigError` with all mistakes at once."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    errors: list[str] = []
    tables = ("mqtt", "topics", "database", "answers", "resync", "pictures", "keep", "signatures")
    for name in values:
        if name not in (*tables, "contract"):
            errors.append(f"{path}: {name}: is not known")
    of = {name: Table(path, name, values.get(name, {}), errors) for name in tables}
    top = Table(path, "", {"contract": values["contract"]} if "contract" in values else {}, errors)
    contract = top.path("contract") or CONTRACT
    if not (contract / "envelope-1.schema.json").exists():
        errors.append(f"{path}: contract: {contract} holds no envelope-1.schema.json")
    config = Config(
        mqtt=_mqtt(of["mqtt"]),
        topics=_topics(of["topics"]),
        database=_database(of["database"]),
        answers=_answers(of["answers"]),
        resync=_patience(of["resync"], 30, 60, 3),
        pictures=_patience(of["pictures"], 120, 120, 5),
        keep=_keep(of["keep"]),
        contract=contract,
        keys=of["signatures"].path("keys"),
    )
    for table in of.values():
        table.finish()
    if errors:
        raise ConfigError("\n".join(errors))
    return config


def _mqtt(table: Table) -> Mqtt:
    tls = table.switch("tls", True)
    mqtt = Mqtt(
        host=table.text("host", MISSING, "host name or address", r"[^\s/]+"),
        port=table.number("port", 8883 if tls else 1883, 1, 65535),
        client_id=table.text("client_id", MISSING, "1 to 60 letters, digits, `-` or `_`", r"[A-Za-z0-9_-]{1,60}"),
        username=table.text("username", None),
        password=table.secret("password"),
        tls=tls,
        ca_file=table.path("ca_file"),
        cert_file=table.path("cert_file"),
        key_file=table.path("key_file"),
        keep_alive_s=table.number("keep_alive_s", 30, 5, 1200),
        session_days=table.number("session_days", 7, 1, 365),
        receive_max=table.number("receive_max", 20, 1, 1000),
    )
    if not tls and (mqtt.ca_file or mqtt.cert_file or mqtt.key_file):
        table.fail("tls", "is off, but certificates are named")
    if (mqtt.cert_file is None) != (mqtt.key_file is None):
        table.fail("cert_file", "`cert_file` and `key_file` go together")
    return mqtt


def _database(table: Table) -> Database:
    dsn = table.text("dsn", MISSING)
    try:
        told = conninfo_to_dict(dsn or "")
    except psycopg.ProgrammingError:
        # What libpq says about it repeats parts of it: half a password, maybe.
        table.fail("dsn", "libpq's connection string expected, as in host=/run/postgresql dbname=gridwatch, or postgresql://…")
    else:
        if "password" in told or "sslpassword" in told:
            table.fail("dsn", "holds a password; use database.password")
    return Database(dsn, table.secret("password"))


def _topics(table: Table) -> Topics:
    level = r"[A-Za-z0-9_.-]+"
    return Topics(
        root=table.text("root", "grid/v1", "levels separated by `/`", rf"{level}(/{level})*"),
        county=table.text("county", MISSING, "six digits, or `+` for all", r"\d{6}|\+"),
        town=table.text("town", MISSING, "three digits, or `+` for all", r"\d{3}|\+"),
        share=table.text("share", "judge", "letters, digits, `-` or `_`, or nothing", r"[A-Za-z0-9_-]*"),
    )


def _answers(table: Table) -> Answers:
    return Answers(
        source=table.text("source", MISSING, "a URI such as urn:platform:330902101:mine", r"[\x21-\x7e]{1,256}"),
        receipts=table.switch("receipts", True),
        resync=table.switch("resync", True),
        pictures=table.switch("pictures", True),
        commands_per_minute=table.number("commands_per_minute", 30, 1, 10_000),
    )


def _patience(table: Table, grace_s: float, first_s: float, give_up_after: int) -> Patience:
    return Patience(
        grace_s=table.seconds("grace_s", grace_s, 86_400),
        first_backoff_s=table.seconds("first_backoff_s", first_s, 86_400),
        longest_backoff_s=table.seconds("longest_backoff_s", 3600, 604_800),
        give_up_after=table.number("give_up_after", give_up_after, 1, 1000),
    )


def _keep(table: Table) -> Keep:
    return Keep(
        pictures_days=table.number("pictures_days", 30, 1, 3650),
        unclaimed_days=table.number("unclaimed_days", 7, 1, 365),
        most_unclaimed=table.number("most_unclaimed", 500, 1, 1_000_000),
        commands_days=table.number("commands_days", 30, 1, 3650),
        quarantine_days=table.number("quarantine_days", 90, 1, 3650),
        old_epoch_s=table.seconds("old_epoch_s", 3600, 604_800),
    )
