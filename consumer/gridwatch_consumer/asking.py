"""What is to be asked of gateways now: `resync` for holes, `get-evidence` for pictures that did not come.

Each pass is made by one consumer at a time, and a question is written down, with its next moment, before it is sent:
a consumer that is killed between the two has asked once too little, never once too often.
"""

import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Json

from . import ledger
from .config import Answers, Config, Patience
from .database import Connection, value

log = logging.getLogger(__name__)

_PASS_LOCK = 0x47524441
# A line that is busy all day is asked all the same, after this many times the grace.
_MOST_GRACES = 10
# Questions about holes that one pass puts to one gateway, at most.
_MOST_QUESTIONS = 8
# What gateways answer whose version knows neither `until_seq` nor `epoch`.
_NOT_UNDERSTOOD = "payload does not have the expected form"


@dataclass(frozen=True)
class Command:
    """A request that is written down and not sent yet; `id` goes out as Correlation Data."""

    id: UUID
    gateway: str
    name: str
    payload: dict[str, Any]


def due(connection: Connection, config: Config, asked_by: str) -> list[Command]:
    """Writes down what is due, within the rate that is allowed, and returns it. Empty if another consumer is at it."""
    if not value(connection, "SELECT pg_try_advisory_xact_lock(%s)", _PASS_LOCK):
        return []
    commands: list[Command] = []
    room = _room(connection, config.answers)
    _close_old_epochs(connection, config.keep.old_epoch_s)
    for gateway, epoch in connection.execute(
        "SELECT gateway, epoch FROM epoch WHERE ended_at IS NULL AND complete_to < highest ORDER BY hole_since"
    ).fetchall():
        found = ledger.advance(connection, gateway, epoch)
        if found and config.answers.resync and len(commands) < room:
            commands += _resync(connection, config.resync, gateway, epoch, found, room - len(commands))
    if config.answers.pictures:
        commands += _pictures(connection, config.pictures, room - len(commands))
    for command in commands:
        connection.execute(
            "INSERT INTO command(id, gateway, name, payload, asked_by) VALUES(%s, %s, %s, %s, %s)",
            [command.id, command.gateway, command.name, Json(command.payload), asked_by],
        )
    return commands


def _room(connection: Connection, answers: Answers) -> int:
    asked = value(connection, "SELECT count(*) FROM command WHERE asked_at > now() - interval '1 min'")
    return max(0, answers.commands_per_minute - asked)


def _close_old_epochs(connection: Connection, after_s: float) -> None:
    """The outbox that had these numbers is no more. What is still in the broker's queues has had its time."""
    for gateway, epoch in connection.execute(
        "SELECT gateway, epoch FROM epoch WHERE ended_at < now() - make_interval(secs => %s) AND complete_to < highest",
        [after_s],
    ).fetchall():
        lost = ledger.give_up(connection, gateway, epoch, None, "epoch_ended")
        if lost:
            log.error("%s: %d events of epoch %s are lost: the gateway has begun another one", gateway, lost, epoch)


def _resync(
    connection: Connection, patience: Patience, gateway: str, epoch: UUID, holes: list[tuple[int, int]], room: int
) -> list[Command]:
    """Asks for exactly what is missing: one question a hole, and where that would be too many, a last one that spans
    the rest."""
    lowest = holes[0][0]
    state = connection.execute(
        "SELECT attempts, answered, asked_to FROM epoch WHERE gateway = %s AND epoch = %s AND next_ask_at <= now()"
        " AND hole_since <= now() - make_interval(secs => %s)"
        # A gateway that is still bringing what it kept is not asked: it may have the rest under way.
        " AND (last_seen_at <= now() - make_interval(secs => %s) OR hole_since <= now() - make_interval(secs => %s))",
        [gateway, epoch, patience.grace_s, patience.grace_s, patience.grace_s * _MOST_GRACES],
    ).fetchone()
    if state is None:
        return []
    attempts, answered, asked_to = state
    if answered >= patience.give_up_after:
        lost = ledger.give_up(connection, gateway, epoch, asked_to, "not_sent_again")
        log.error("%s: %d events from number %d on are lost: asked %d times", gateway, lost, lowest, attempts)
        return []
    connection.execute(
        "UPDATE epoch SET attempts = attempts + 1, next_ask_at = now() + make_interval(secs => %s),"
        " asked_to = CASE WHEN attempts = 0 THEN highest ELSE asked_to END WHERE gateway = %s AND epoch = %s",
        [_backoff(patience, attempts), gateway, epoch],
    )
    log.info("%s: events are missing from number %d on; asking for them", gateway, lowest)
    if _knows_no_end(connection, gateway):
        return [Command(uuid4(), gateway, "resync", {"since_seq": lowest})]
    most = min(room, _MOST_QUESTIONS)
    if len(holes) > most:
        holes = [*holes[: most - 1], (holes[most - 1][0], holes[-1][1])]
    ask = lambda first, last: {"since_seq": first, "until_seq": last, "epoch": str(epoch)}  # noqa: E731
    return [Command(uuid4(), gateway, "resync", ask(first, last)) for first, last in holes]


def _knows_no_end(connection: Connection, gateway: str) -> bool:
    """Whether the gateway's version is one that can only be asked for everything from a number on. Tried anew after a
    day: gateways are updated."""
    row = connection.execute(
        "SELECT status = 'refused' AND detail LIKE %s FROM command WHERE gateway = %s AND name = 'resync'"
        " AND payload ? 'until_seq' AND status IS NOT NULL AND asked_at > now() - interval '1 day'"
        " ORDER BY asked_at DESC LIMIT 1",
        [_NOT_UNDERSTOOD + "%", gateway],
    ).fetchone()
    return row is not None and bool(row[0])


def _pictures(connection: Connection, patience: Patience, room: int) -> list[Command]:
    wanted = connection.execute(
        "SELECT event_id, id, sha256, gateway, attempts, answered FROM evidence JOIN event USING (event_id)"
        " WHERE state = 'wanted' AND next_ask_at <= now() AND wanted_at <= now() - make_interval(secs => %s)"
        " ORDER BY next_ask_at, wanted_at LIMIT %s",
        [patience.grace_s, max(0, room)],
    ).fetchall()
    commands = []
    for event_id, picture_id, digest, gateway, attempts, answered in wanted:
        key = [event_id, picture_id, digest]
        if answered >= patience.give_up_after:
            detail = f"asked {attempts} times; what came, if anything, was another picture"
            sql = "UPDATE evidence SET state = 'not_sent_again', detail = %s WHERE event_id = %s AND id = %s AND sha256 = %s"
            connection.execute(sql, [detail, *key])
            continue
        connection.execute(
            "UPDATE evidence SET attempts = attempts + 1, next_ask_at = now() + make_interval(secs => %s)"
            " WHERE event_id = %s AND id = %s AND sha256 = %s",
            [_backoff(patience, attempts), *key],
        )
        commands.append(Command(uuid4(), gateway, "get-evidence", {"event_id": str(event_id), "id": picture_id}))
    return commands


def _backoff(patience: Patience, attempts: int) -> float:
    return min(patience.first_backoff_s * 2 ** min(attempts, 30), patience.longest_backoff_s)


def answered(connection: Connection, gateway: str, command_id: UUID, response: dict[str, Any]) -> bool:
    """Takes an answer. False if nobody asked that of this gateway, or it was answered before."""
    asked = connection.execute(
        "UPDATE command SET status = %s, detail = %s, result = %s, answered_at = now()"
        " WHERE id = %s AND gateway = %s AND name = %s AND answered_at IS NULL RETURNING payload",
        [response["status"], response.get("detail"), Json(response.get("result")), command_id, gateway, response["command"]],
    ).fetchone()
    if asked is None:
        return False
    status = response["status"]
    log.log(logging.INFO if status == "ok" else logging.WARNING, "%s: %s: %s", gateway, response["command"], status)
    if response["command"] == "resync" and status != "failed":
        _resync_answered(connection, gateway, asked[0], response)
    if response["command"] == "get-evidence":
        # `failed` is the gateway's word that it does not keep the picture any more, but a store that is busy says the
        # same: it has to say so twice.
        connection.execute(
            "UPDATE evidence SET answered = answered + 1,"
            " state = CASE WHEN %s AND answered >= 1 THEN 'gone' ELSE state END, detail = %s"
            " WHERE event_id = %s AND id = %s AND state = 'wanted'",
            [status == "failed", response.get("detail"), asked[0]["event_id"], asked[0]["id"]],
        )
    return True


def _resync_answered(connection: Connection, gateway: str, asked: dict[str, Any], response: dict[str, Any]) -> None:
    epoch, detail = asked.get("epoch"), response.get("detail", "")
    if epoch is not None and response["status"] == "refused":
        if detail.startswith(_NOT_UNDERSTOOD):
            sql = "UPDATE epoch SET next_ask_at = now() WHERE gateway = %s AND epoch = %s"
            connection.execute(sql, [gateway, epoch])
            return
        if "epoch" in detail:
            # Its own word: these numbers are of an outbox that is no more.
            sql = "UPDATE epoch SET ended_at = now() WHERE gateway = %s AND epoch = %s AND ended_at IS NULL"
            connection.execute(sql, [gateway, epoch])
            return
    result = response.get("result", {})
    if epoch is not None:
        for told in result.get("not_kept", []):
            closed = ledger.not_kept(connection, gateway, UUID(epoch), told)
            if closed and told["reason"] != "superseded":
                log.error("%s: %d events from number %d on are lost: not kept any more", gateway, closed, told["from"])
    # The lowest hole is asked for in every pass, first: its answers are counted.
    connection.execute(
        "UPDATE epoch SET answered = answered + 1, next_ask_at = CASE WHEN %s THEN now() ELSE next_ask_at END"
        " WHERE gateway = %s AND ended_at IS NULL AND attempts > 0 AND complete_to + 1 = %s",
        [bool(result.get("more")), gateway, asked.get("since_seq")],
    )
