"""The connection to PostgreSQL, and the schema, which applies itself."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from .config import Database

log = logging.getLogger(__name__)
T = TypeVar("T")
Connection = psycopg.Connection

SCHEMA = "gridwatch"
MIGRATIONS = Path(__file__).resolve().parent.parent / "schema"
# Several consumers may start at once.
_SCHEMA_LOCK = 0x47524457
_LONGEST_PAUSE_S = 30.0


class SchemaTooNew(Exception):
    """The database was written by a later version of this program."""


class Stopped(Exception):
    """Asked to stop while waiting for the database."""


def value(connection: Connection, sql: str, *parameters: Any) -> Any:
    """The first column of the first row of a query; `None` if there is no row."""
    row = connection.execute(sql, parameters).fetchone()
    return row[0] if row else None


def migrations() -> list[Path]:
    """The steps of the schema; step N brings it to version N."""
    return sorted(MIGRATIONS.glob("[0-9][0-9][0-9].sql"))


def migrate(connection: Connection) -> None:
    """Brings the schema up to date; raises `SchemaTooNew`. One transaction: all of it or nothing."""
    steps = migrations()
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SCHEMA_LOCK])
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        version = 0
        if value(connection, "SELECT to_regclass(%s)", f"{SCHEMA}.schema_version"):
            version = value(connection, "SELECT coalesce(max(version), 0) FROM schema_version")
        if version > len(steps):
            raise SchemaTooNew(
                f"the database has schema {version}, written by a newer consumer; this one knows {len(steps)}. "
                "Install the newer one again; nothing was changed."
            )
        for number, step in enumerate(steps[version:], start=version + 1):
            connection.execute(step.read_text(encoding="utf-8"))
            connection.execute("INSERT INTO schema_version(version) VALUES(%s)", [number])
            log.info("the database has schema %d now", number)


def connect(config: Database, client_id: str) -> Connection:
    """A connection whose commits are durable when they return. Raises `psycopg.OperationalError`."""
    more: dict[str, Any] = {"password": config.password.reveal()} if config.password else {}
    name = f"gridwatch-consumer {client_id}"
    connection = psycopg.connect(config.dsn, autocommit=True, connect_timeout=10, application_name=name, **more)
    # A role may have it switched off; then a message would be acknowledged that a power cut can still take back.
    connection.execute("SET synchronous_commit = on")
    connection.execute(f"SET search_path = {SCHEMA}")
    connection.execute("SET statement_timeout = '60s'")
    return connection


class Store:
    """A connection that comes back. `stopped` is asked while it waits."""

    def __init__(self, config: Database, client_id: str, stopped: Callable[[], bool]) -> None:
        self._config, self._client_id, self._stopped = config, client_id, stopped
        self._connection: Connection | None = None

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in one transaction, again and again until the database takes it; `work` must bear that.

        Raises `psycopg.DataError` and `psycopg.IntegrityError` (the database will never take it), `SchemaTooNew`,
        and `Stopped`.
        """
        pause = 0.2
        while True:
            try:
                connection = self._connected()
                with connection.transaction():
                    return work(connection)
            except (psycopg.DataError, psycopg.IntegrityError):
                raise
            except psycopg.Error as error:
                log.warning("the database: %s; again in %.1f s", _first_line(error), pause)
                self.close()
            if self._wait(pause):
                raise Stopped
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def close(self) -> None:
        """Ends the connection; the next transaction makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            connection = connect(self._config, self._client_id)
            try:
                migrate(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _wait(self, seconds: float) -> bool:
        ends = time.monotonic() + seconds
        while not self._stopped():
            left = ends - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, 0.1))
        return True


def _first_line(error: psycopg.Error) -> str:
    """Without the statement and its values, which follow on later lines."""
    return next(iter(str(error).splitlines()), type(error).__name__)
