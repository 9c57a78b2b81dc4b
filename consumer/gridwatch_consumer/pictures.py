"""Puts one picture into the tables, in the caller's transaction. A picture is known by its SHA-256, so that one that
comes before its event, or belongs to a revision that is still on its way, waits until an event lists it."""

from uuid import UUID

from .contract import Invalid
from .database import Connection, value
from .events import lock_event
from .topics import Place


def store(connection: Connection, place: Place, event_id: UUID, picture_id: str, digest: str, jpeg: bytes, most: int) -> str:
    """Stores it; `claimed` if an event lists it, else `waiting`; `known` if it was here before.

    Raises `Invalid` where more than `most` pictures of this gateway wait already.
    """
    here = connection.execute(
        "SELECT 1 FROM picture WHERE gateway = %s AND event_id = %s AND id = %s AND sha256 = %s",
        [place.key, event_id, picture_id, digest],
    ).fetchone()
    if here is not None:
        return "known"
    lock_event(connection, event_id)
    listed = connection.execute(
        "UPDATE evidence SET state = 'stored', detail = NULL FROM event WHERE evidence.event_id = %s AND evidence.id = %s"
        " AND sha256 = %s AND event.event_id = evidence.event_id AND event.gateway = %s",
        [event_id, picture_id, digest, place.key],
    ).rowcount
    waiting = "SELECT count(*) FROM picture WHERE gateway = %s AND NOT claimed"
    if not listed and value(connection, waiting, place.key) >= most:
        raise Invalid(f"no event lists it, and {most} pictures of this gateway wait for one")
    connection.execute(
        "INSERT INTO picture(gateway, event_id, id, sha256, jpeg, claimed) VALUES(%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        [place.key, event_id, picture_id, digest, jpeg, bool(listed)],
    )
    return "claimed" if listed else "waiting"
