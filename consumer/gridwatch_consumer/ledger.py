"""The numbers of each gateway's events: which have come, which never will, and where the holes are.

```text
number ──event stored──▶ stored          number ──told in `gone`──▶ gone: superseded, lost, quarantined
   └──not valid────────▶ invalid            ├──asked for, not kept────▶ gone: superseded, lost, expired
                                            ├──asked for often enough──▶ gone: not_sent_again
                                            └──its epoch is over───────▶ gone: epoch_ended
hole = between 1 and the highest number known to exist, neither come nor gone
```
Everything is in the database, so any number of consumers see the same holes. A number that was gone and comes all the
same has come. All functions run in the caller's transaction.
"""

from typing import Any
from uuid import UUID

from .contract import NO_EPOCH, Event, Number
from .database import Connection


def arrived(connection: Connection, gateway: str, event: Event) -> None:
    """Notes the number of a stored event and the numbers that it says will never come."""
    if event.epoch == NO_EPOCH:
        return
    number = Number(event.epoch, event.seq)
    _see_epoch(connection, gateway, number, is_word=False)
    _note(connection, gateway, number, "stored", event)
    for told in event.gone:
        # The gateway knows better than we did.
        connection.execute(
            "DELETE FROM gone WHERE gateway = %s AND epoch = %s AND first >= %s AND last <= %s"
            " AND reason IN ('not_sent_again', 'epoch_ended')",
            [gateway, event.epoch, told["from"], told["to"]],
        )
        connection.execute(
            "INSERT INTO gone(gateway, epoch, first, last, reason) VALUES(%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [gateway, event.epoch, told["from"], told["to"], told["reason"]],
        )


def arrived_invalid(connection: Connection, gateway: str, number: Number) -> None:
    """Notes a number whose event is in quarantine: asking for it would bring the same bytes. Only in an epoch that is
    known: what is not valid is no word on whether the gateway has begun another one."""
    known = connection.execute(
        "UPDATE epoch SET highest = greatest(highest, %s) WHERE gateway = %s AND epoch = %s RETURNING 1",
        [number.seq, gateway, number.epoch],
    ).fetchone()
    if known:
        _note(connection, gateway, number, "invalid", None)


def told_highest(connection: Connection, gateway: str, number: Number) -> None:
    """Takes a gateway's counters: they name its present epoch for certain, and numbers after the last that came."""
    if number.epoch == NO_EPOCH:
        return
    _see_epoch(connection, gateway, number, is_word=True)


def _note(connection: Connection, gateway: str, number: Number, state: str, event: Event | None) -> None:
    new = connection.execute(
        "INSERT INTO number(gateway, epoch, seq, state, event_id, revision) VALUES(%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (gateway, epoch, seq) DO UPDATE SET state = excluded.state, event_id = excluded.event_id,"
        " revision = excluded.revision WHERE number.state = 'invalid' AND excluded.state = 'stored' RETURNING 1",
        [gateway, number.epoch, number.seq, state, event and event.event_id, event and event.revision],
    ).fetchone()
    if new:
        connection.execute(
            "UPDATE epoch SET last_seen_at = now() WHERE gateway = %s AND epoch = %s", [gateway, number.epoch]
        )


def _see_epoch(connection: Connection, gateway: str, number: Number, is_word: bool) -> None:
    """Makes the epoch known. One that was not known ends the others; so does the gateway's own word in its counters,
    which also takes back an end that was concluded too early."""
    new = connection.execute(
        "INSERT INTO epoch(gateway, epoch, highest) VALUES(%s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1",
        [gateway, number.epoch, number.seq],
    ).fetchone()
    connection.execute(
        "UPDATE epoch SET highest = %s WHERE gateway = %s AND epoch = %s AND highest < %s",
        [number.seq, gateway, number.epoch, number.seq],
    )
    if not new and not is_word:
        return
    connection.execute(
        "UPDATE epoch SET ended_at = now() WHERE gateway = %s AND epoch <> %s AND ended_at IS NULL",
        [gateway, number.epoch],
    )
    back = connection.execute(
        "UPDATE epoch SET ended_at = NULL, complete_to = 0 WHERE gateway = %s AND epoch = %s AND ended_at IS NOT NULL"
        " RETURNING 1",
        [gateway, number.epoch],
    ).fetchone()
    if back:
        connection.execute(
            "DELETE FROM gone WHERE gateway = %s AND epoch = %s AND reason = 'epoch_ended'", [gateway, number.epoch]
        )


def holes(connection: Connection, gateway: str, epoch: UUID) -> list[tuple[int, int]]:
    """Ranges (first, last) above `complete_to` that are missing, the lowest first."""
    return connection.execute(
        "SELECT first, last FROM hole WHERE gateway = %s AND epoch = %s ORDER BY first", [gateway, epoch]
    ).fetchall()


def advance(connection: Connection, gateway: str, epoch: UUID) -> list[tuple[int, int]]:
    """Moves `complete_to` up to the lowest hole, and returns the holes. Progress begins the asking anew."""
    found = holes(connection, gateway, epoch)
    connection.execute(
        "UPDATE epoch SET complete_to = coalesce(%(before)s, highest),"
        " hole_since = CASE WHEN %(before)s IS NULL THEN NULL"
        "   WHEN hole_since IS NULL OR complete_to < %(before)s THEN now() ELSE hole_since END,"
        " attempts = CASE WHEN complete_to < coalesce(%(before)s, highest) THEN 0 ELSE attempts END,"
        " answered = CASE WHEN complete_to < coalesce(%(before)s, highest) THEN 0 ELSE answered END"
        " WHERE gateway = %(gateway)s AND epoch = %(epoch)s",
        {"before": found[0][0] - 1 if found else None, "gateway": gateway, "epoch": epoch},
    )
    return found


def not_kept(connection: Connection, gateway: str, epoch: UUID, told: dict[str, Any]) -> int:
    """Closes what is missing of a range that the gateway answered it does not keep any more; what has come has come.
    Returns how many numbers that is."""
    closed = 0
    for first, last in holes(connection, gateway, epoch):
        first, last = max(first, told["from"]), min(last, told["to"])
        if first > last:
            continue
        closed += last - first + 1
        connection.execute(
            "INSERT INTO gone(gateway, epoch, first, last, reason) VALUES(%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [gateway, epoch, first, last, told["reason"]],
        )
    return closed


def give_up(connection: Connection, gateway: str, epoch: UUID, up_to: int | None, reason: str) -> int:
    """Closes every hole, or those up to a number. Returns how many numbers that is."""
    closed = 0
    for first, last in holes(connection, gateway, epoch):
        last = min(last, up_to) if up_to is not None else last
        if first > last:
            break
        closed += last - first + 1
        connection.execute(
            "INSERT INTO gone(gateway, epoch, first, last, reason) VALUES(%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [gateway, epoch, first, last, reason],
        )
    advance(connection, gateway, epoch)
    return closed
