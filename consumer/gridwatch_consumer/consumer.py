"""The loop: one message, one transaction, then the receipt and the acknowledgement; between messages, what is due.

```text
inbox ──▶ check ──valid──▶ store, commit ──▶ receipt ──▶ PUBACK
            └──invalid──▶ quarantine, commit ──────────▶ PUBACK
```
A kill at any point loses nothing: what is not acknowledged comes again, and storing it twice changes nothing. A receipt
that was lost is found by `receipted_at` and said again.
"""

import logging
import queue
import re
import threading
import time
from uuid import UUID

import psycopg

from . import asking, contract, events, housekeeping, ledger, pictures, signatures, topics, words
from .config import Config
from .contract import Contract, Invalid
from .database import Connection, Stopped, Store
from .events import Receipt
from .link import Incoming, Link

log = logging.getLogger(__name__)

TIDY_EVERY_S = 3600.0
# After a question. A question that is asked again begins it anew.
LISTEN_S = 900.0
# Between two looks at what is due; also how long an idle loop sleeps at most.
LOOK_EVERY_S = 1.0
# A receipt on its way this long without the broker's answer is said again.
RECEIPT_PATIENCE_S = 10
RECEIPTS_AT_ONCE = 200
_MOST_TEXT = 300


class Consumer:
    """Owns the store and the link; one thread."""

    def __init__(self, config: Config, stop: threading.Event) -> None:
        self._config, self._stop = config, stop
        self._contract = Contract(config.contract)
        self._me = config.mqtt.client_id
        self._store = Store(config.database, self._me, stop.is_set)
        own = topics.own_filters(config.topics, self._me)
        self._link = Link(config.mqtt, [*topics.shared_filters(config.topics), *own])
        # Gateways that were asked, and until when what they send again is heard directly.
        self._listens: dict[str, float] = {}
        self._next_look = self._next_tidy = 0.0

    def run(self) -> None:
        """Until `stop` is set. Raises `SchemaTooNew`."""
        try:
            # Before the first message: a schema that is too new must not cost a connection.
            # A consumer that was killed may still be listening to those that it asked: until it takes that back.
            self._listens = dict.fromkeys(self._store.transact(self._asked_before), 0.0)
            self._link.start()
            while not self._stop.is_set():
                try:
                    message = self._link.inbox.get(timeout=LOOK_EVERY_S / 4)
                except queue.Empty:
                    pass
                else:
                    self.handle(message)
                self._look()
        except Stopped:
            pass
        finally:
            self._link.stop()
            self._store.close()

    def handle(self, message: Incoming) -> None:
        """Stores one message or puts it into quarantine, then acknowledges it."""
        address = topics.parse(self._config.topics.root, message.topic)
        receipt = None
        try:
            if address is None:
                raise Invalid("not a topic of the contract")
            receipt = self._take(address, message)
        except Invalid as invalid:
            self._quarantine(address, message, str(invalid))
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            self._quarantine(address, message, f"the database does not take it: SQLSTATE {error.sqlstate}")
        if receipt is not None:
            self._give(receipt)
        self._link.acknowledge(message)

    def _take(self, address: topics.Address, message: Incoming) -> Receipt | None:
        place = address.place
        if address.channel == topics.EVENT:
            event = self._contract.event(address, message.payload)
            if self._config.keys is not None:
                signatures.check(self._config.keys, place.gateway, event.envelope)
            stored = self._store.transact(lambda db: events.store(db, place, event, self._me))
            if stored.new:
                log.info("%s: event %s, revision %d, number %d", place.key, event.event_id, event.revision, event.seq)
            return stored.receipt
        if address.channel == topics.EVIDENCE:
            digest = contract.picture(message.payload)
            event_id, picture_id = _picture_name(address)
            most = self._config.keep.most_unclaimed
            state = self._store.transact(
                lambda db: pictures.store(db, place, event_id, picture_id, digest, message.payload, most)
            )
            log.debug("%s: picture %s of %s: %s", place.key, picture_id, event_id, state)
        elif address.channel == topics.METRICS:
            number = self._contract.metrics(message.payload)
            self._store.transact(lambda db: ledger.told_highest(db, place.key, number))
        else:
            response, asked = self._contract.response(message.payload), words.command_id(message.correlation)
            if asked is None or not self._store.transact(lambda db: asking.answered(db, place.key, asked, response)):
                log.info("%s: an answer to what nobody here asked", place.key)
        return None

    def _quarantine(self, address: topics.Address | None, message: Incoming, reason: str) -> None:
        """Keeps hash, size and reason. No receipt: the gateway keeps the event until a consumer understands it."""
        topic, reason = message.topic[:_MOST_TEXT].replace("\0", ""), reason[:_MOST_TEXT]
        number = self._number_that_came(address, message.payload)

        def put(db: Connection) -> None:
            db.execute(
                "INSERT INTO quarantine(topic, sha256, bytes, reason) VALUES(%s, %s, %s, %s)"
                " ON CONFLICT (topic, sha256, reason) DO UPDATE SET times = quarantine.times + 1, last_at = now()",
                [topic, contract.sha256(message.payload), len(message.payload), reason],
            )
            if address is not None and number is not None:
                ledger.arrived_invalid(db, address.place.key, number)

        log.error("in quarantine: %s: %s", topic, reason)
        self._store.transact(put)

    def _number_that_came(self, address: topics.Address | None, payload: bytes) -> contract.Number | None:
        """The number that is not to be asked for although its event cannot be taken. Where keys are known, only the
        gateway itself can say so: anybody's rubbish with that number would hide that the event is missing."""
        if address is None or address.channel != topics.EVENT:
            return None
        found = contract.number_of(payload)
        if found is None:
            return None
        number, envelope = found
        keys = self._config.keys
        return number if keys is None or signatures.holds(keys, address, envelope) else None

    def _give(self, receipt: Receipt) -> None:
        if self._config.answers.receipts:
            word = words.receipt(self._config.topics.root, self._config.answers.source, receipt)
            self._link.say(word, receipt)

    def _look(self) -> None:
        """Everything that is due and is no message."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY_S
        self._write_receipted()
        if not self._link.is_online:
            return
        for receipt in self._store.transact(self._unsaid_receipts):
            self._give(receipt)
        self._unlisten(now)
        for command in self._store.transact(lambda db: asking.due(db, self._config, self._me)):
            if self._config.topics.share:
                self._link.listen(topics.asked_filters(self._config.topics.root, command.gateway))
                self._listens[command.gateway] = now + LISTEN_S
            self._link.say(words.command(self._config.topics.root, self._me, command))
        if now >= self._next_tidy:
            self._next_tidy = now + TIDY_EVERY_S
            self._store.transact(lambda db: housekeeping.tidy(db, self._config.keep))

    def _asked_before(self, db: Connection) -> list[str]:
        return [row[0] for row in db.execute("SELECT DISTINCT gateway FROM command WHERE asked_by = %s", [self._me])]

    def _unlisten(self, now: float) -> None:
        for gateway in [gateway for gateway, until in self._listens.items() if until < now]:
            self._link.unlisten(topics.asked_filters(self._config.topics.root, gateway))
            del self._listens[gateway]

    def _write_receipted(self) -> None:
        keys = [(receipt.event_id, receipt.revision) for receipt in self._link.accepted()]
        if keys:
            sql = "UPDATE event_revision SET receipted_at = now() WHERE event_id = %s AND revision = %s AND receipted_at IS NULL"

            def put(db: Connection) -> None:
                with db.cursor() as cursor:
                    cursor.executemany(sql, keys)

            self._store.transact(put)

    def _unsaid_receipts(self, db: Connection) -> list[Receipt]:
        if not self._config.answers.receipts:
            return []
        # Taken for a while, so that two consumers do not both say it.
        rows = db.execute(
            "UPDATE event_revision SET receipt_due_at = now() + make_interval(secs => %s) WHERE (event_id, revision) IN"
            " (SELECT event_id, revision FROM event_revision WHERE receipted_at IS NULL AND receipt_due_at < now()"
            " ORDER BY receipt_due_at LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING gateway, event_id, revision, receipt_seq",
            [RECEIPT_PATIENCE_S, RECEIPTS_AT_ONCE],
        ).fetchall()
        return [Receipt(*row) for row in rows]


def _picture_name(address: topics.Address) -> tuple[UUID, str]:
    event_id, picture_id = address.rest
    is_event = re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", event_id)
    if not is_event or not re.fullmatch(r"[a-z0-9]{1,16}", picture_id):
        raise Invalid("the topic names no picture of an event")
    return UUID(event_id), picture_id
