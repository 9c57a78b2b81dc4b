"""Puts one valid event into the tables, in the caller's transaction. Doing it twice changes nothing."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Json

from . import ledger
from .contract import Event, Invalid
from .database import Connection, value
from .topics import Place


@dataclass(frozen=True)
class Receipt:
    """What is said back. `seq` counts our words on this event and is fixed with the revision."""

    gateway: str
    event_id: UUID
    revision: int
    seq: int


@dataclass(frozen=True)
class Stored:
    """`new` is false for a message that was here before."""

    new: bool
    receipt: Receipt


def store(connection: Connection, place: Place, event: Event, stored_by: str) -> Stored:
    """Stores it. Raises `Invalid` where it contradicts what is stored already; the caller then rolls back."""
    lock_event(connection, event.event_id)
    _claim(connection, place, event)
    kept = connection.execute(
        "SELECT sha256, receipt_seq FROM event_revision WHERE event_id = %s AND revision = %s",
        [event.event_id, event.revision],
    ).fetchone()
    if kept is not None and kept[0] != event.sha256:
        raise Invalid(f"revision {event.revision} is stored with other bytes; the first ones stay")
    if kept is None:
        seq = value(connection, "SELECT next_feedback_seq(%s)", event.event_id)
        connection.execute(
            "INSERT INTO event_revision(event_id, revision, gateway, sha256, body, stored_by, receipt_seq)"
            " VALUES(%s, %s, %s, %s, %s, %s, %s)",
            [event.event_id, event.revision, place.key, event.sha256, Json(event.envelope), stored_by, seq],
        )
        _list_evidence(connection, place, event)
    else:
        seq = kept[1]
    ledger.arrived(connection, place.key, event)
    return Stored(kept is None, Receipt(place.key, event.event_id, event.revision, seq))


def lock_event(connection: Connection, event_id: UUID) -> None:
    """Until the transaction ends, nobody else stores this event or one of its pictures: a picture and its event that
    come at the same moment to two consumers see each other."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [str(event_id)])


def _claim(connection: Connection, place: Place, event: Event) -> None:
    """Makes the incident's row, or brings it to this revision."""
    row = _row(event)
    names = ", ".join(row)
    connection.execute(
        f"INSERT INTO event(event_id, gateway, {names}) VALUES(%s, %s, {', '.join(['%s'] * len(row))})"
        f" ON CONFLICT (event_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in row)}, stored_at = now()"
        " WHERE event.gateway = excluded.gateway AND event.revision < excluded.revision",
        [event.event_id, place.key, *row.values()],
    )
    if value(connection, "SELECT gateway FROM event WHERE event_id = %s", event.event_id) != place.key:
        raise Invalid("the event id belongs to another gateway")


def _row(event: Event) -> dict[str, Any]:
    """The columns that people search by."""
    data = event.data
    return {
        "revision": event.revision,
        "phase": data["phase"],
        "close_reason": data.get("close_reason"),
        "kind": data["kind"],
        "subkind": data["subkind"],
        "severity": data["severity"],
        "camera": data["camera"]["id"],
        "village_code": data["place"]["village_code"],
        "grid_code": data["place"].get("grid_code"),
        "zone": data["place"]["zone"]["id"],
        "first_seen": data["times"]["first_seen"],
        "last_seen": data["times"]["last_seen"],
        "clock_synced": data["clock"]["synced"],
        "score": data["confidence"]["score"],
        "test": data["test"],
        "body": Json(event.envelope),
    }


def _list_evidence(connection: Connection, place: Place, event: Event) -> None:
    """Notes the pictures that the event names, and takes those that came before it."""
    for entry in event.data["evidence"]:
        gone = entry["delivery"]["mode"] == "gone"
        connection.execute(
            "INSERT INTO evidence(event_id, id, sha256, revision, role, bytes, width, height, captured_at, state)"
            " VALUES(%(event)s, %(id)s, %(sha256)s, %(revision)s, %(role)s, %(bytes)s, %(width)s, %(height)s,"
            " %(captured_at)s, %(state)s)"
            " ON CONFLICT (event_id, id, sha256) DO UPDATE SET revision = excluded.revision, role = excluded.role,"
            " state = CASE WHEN evidence.state = 'wanted' THEN excluded.state ELSE evidence.state END"
            " WHERE evidence.revision < excluded.revision",
            {**entry, "event": event.event_id, "revision": event.revision, "state": "gone" if gone else "wanted"},
        )
        claimed = connection.execute(
            "UPDATE picture SET claimed = true WHERE gateway = %s AND event_id = %s AND id = %s AND sha256 = %s",
            [place.key, event.event_id, entry["id"], entry["sha256"]],
        )
        if claimed.rowcount:
            connection.execute(
                "UPDATE evidence SET state = 'stored', detail = NULL WHERE event_id = %s AND id = %s AND sha256 = %s",
                [event.event_id, entry["id"], entry["sha256"]],
            )
    # Made again with other bytes: the gateway has only the newest, so nobody waits for an older one.
    connection.execute(
        "UPDATE evidence old SET state = 'replaced' FROM evidence new WHERE old.event_id = %s AND old.state = 'wanted'"
        " AND new.event_id = old.event_id AND new.id = old.id AND new.revision > old.revision",
        [event.event_id],
    )
