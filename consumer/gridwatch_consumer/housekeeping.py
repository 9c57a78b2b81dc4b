"""What is deleted for age: pictures, questions, quarantine. Events and numbers stay until somebody deletes them."""

import logging

from .config import Keep
from .database import Connection

log = logging.getLogger(__name__)


def tidy(connection: Connection, keep: Keep) -> None:
    """Deletes what is too old. May be called by every consumer, as often as it likes."""
    connection.execute(
        "WITH old AS (UPDATE evidence SET state = 'expired' WHERE state IN ('stored', 'wanted')"
        "   AND wanted_at < now() - make_interval(days => %s) RETURNING event_id, id, sha256)"
        " DELETE FROM picture USING old WHERE picture.event_id = old.event_id AND picture.id = old.id"
        " AND picture.sha256 = old.sha256",
        [keep.pictures_days],
    )
    unclaimed = connection.execute(
        "WITH old AS (DELETE FROM picture WHERE NOT claimed AND stored_at < now() - make_interval(days => %s)"
        "   RETURNING gateway, event_id, id, sha256, length(jpeg) AS bytes)"
        " INSERT INTO quarantine(topic, sha256, bytes, reason)"
        " SELECT gateway || '/evidence/' || event_id || '/' || id, sha256, bytes, 'no event has listed this picture' FROM old"
        " ON CONFLICT (topic, sha256, reason) DO UPDATE SET times = quarantine.times + 1, last_at = now()",
        [keep.unclaimed_days],
    )
    if unclaimed.rowcount:
        log.warning("%d pictures are deleted that no event has listed", unclaimed.rowcount)
    connection.execute("DELETE FROM command WHERE asked_at < now() - make_interval(days => %s)", [keep.commands_days])
    connection.execute(
        "DELETE FROM quarantine WHERE last_at < now() - make_interval(days => %s)", [keep.quarantine_days]
    )
