"""What the consumer says to gateways: receipts and commands, as bytes with their MQTT properties."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from . import topics
from .asking import Command
from .events import Receipt

RECEIPT_EXPIRY_S = 7 * 86_400
COMMAND_EXPIRY_S = 60


@dataclass(frozen=True)
class Word:
    """A message to publish at QoS 1; `expiry_s` is its Message Expiry Interval."""

    topic: str
    payload: bytes
    expiry_s: int
    content_type: str
    response_topic: str | None = None
    correlation: bytes | None = field(default=None)


def receipt(root: str, source: str, to: Receipt) -> Word:
    """`received`: the event is stored, the gateway may let it go. Its id is the same each time it is said."""
    body = {
        "specversion": "1.0",
        "id": f"{to.event_id}.{to.revision}.received",
        "source": source,
        "type": "gridwatch.feedback.v1",
        "subject": str(to.event_id),
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "datacontenttype": "application/json",
        "data": {"event_id": str(to.event_id), "revision_seen": to.revision, "seq": to.seq, "state": "received"},
    }
    payload = json.dumps(body).encode()
    return Word(topics.of(root, to.gateway, "feedback"), payload, RECEIPT_EXPIRY_S, "application/cloudevents+json")


def command(root: str, client_id: str, asked: Command) -> Word:
    """A request; its answer comes to this consumer's own level below the gateway's `rsp/`."""
    return Word(
        topic=topics.of(root, asked.gateway, "cmd", asked.name),
        payload=json.dumps(asked.payload).encode(),
        expiry_s=COMMAND_EXPIRY_S,
        content_type="application/json",
        response_topic=topics.of(root, asked.gateway, topics.RESPONSE, client_id),
        correlation=str(asked.id).encode(),
    )


def command_id(correlation: bytes | None) -> UUID | None:
    """Whose answer it is; `None` if the data is not ours."""
    try:
        return UUID((correlation or b"").decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        return None
