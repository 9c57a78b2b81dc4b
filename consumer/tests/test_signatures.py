"""Signed events: whose they are, a key that changes, a box that is replaced under the same name."""

import base64
import hashlib
import json
import sys
import unittest
import uuid
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services import wait
from township import CONSUMER, HASTY, TownshipTest

sys.path.insert(0, str(CONSUMER))
from gridwatch_consumer import signatures  # noqa: E402

EXAMPLES = CONSUMER.parent / "contract/examples"


class Box:
    """A signing key and the file that tells of it."""

    def __init__(self, source: str) -> None:
        self.key = Ed25519PrivateKey.generate()
        public = self.key.public_key().public_bytes_raw()
        self.id = hashlib.sha256(public).hexdigest()[:32]
        self.told = {"current": self.id, "keys": [{
            "id": self.id, "algorithm": "Ed25519", "public_key": base64.b64encode(public).decode(), "gateway": source,
            "since": "2026-11-20T08:00:00.000+08:00"}]}

    def sign(self, payload: bytes) -> bytes:
        event = json.loads(payload) | {"sigkeyid": self.id}
        event["signature"] = base64.b64encode(self.key.sign(signatures.canonical(event))).decode()
        return json.dumps(event).encode()


class Signatures(TownshipTest):
    """With `[signatures]`, what is not signed by the gateway is neither stored nor receipted."""

    def put(self, gateway: Any, box: Box | None, **told: Any) -> int:
        seq = gateway.write(**told)
        topic, payload = gateway.outbox[seq]
        gateway.outbox[seq] = (topic, box.sign(payload) if box else payload)
        return seq

    def test_the_example_of_the_contract_holds(self) -> None:
        event = json.loads((EXAMPLES / "event-signed.json").read_text(encoding="utf-8"))
        (self.folder / "gw-0007.json").write_text((EXAMPLES / "info-signing.json").read_text(encoding="utf-8"))
        signatures.check(self.folder, "gw-0007", event)
        event["data"]["confidence"]["score"] = 0.88
        with self.assertRaisesRegex(Exception, "does not hold"):
            signatures.check(self.folder, "gw-0007", event)

    def test_a_stranger_is_kept_out_and_a_replaced_box_is_taken_in(self) -> None:
        keys = self.folder / "keys"
        keys.mkdir()
        source = f"urn:gridwatch:330902{self.town}:gw-0007"
        old, stranger = Box(source), Box(source)
        (keys / "gw-0007.json").write_text(json.dumps(old.told))
        gateway = self.gateway()
        self.consumer(settings=HASTY + f'[signatures]\nkeys = "{keys}"\n').wait()
        good, made_up, plain = self.put(gateway, old), self.put(gateway, stranger), self.put(gateway, None)
        gateway.send(good, made_up, plain)
        self.wait_until("SELECT count(*) FROM quarantine", 2)
        self.wait_until("SELECT count(*) FROM event_revision", 1)
        wait("receipt", lambda: gateway.receipts)
        self.assertEqual({r["data"]["event_id"] for r in gateway.receipts}, {gateway.event_id(good)})
        gateway.close()

        # The box is replaced: the same name, a new epoch from number 1, a new key. Its events wait until the key is known.
        new, replacement = Box(source), self.gateway()
        self.assertNotEqual(replacement.epoch, gateway.epoch)
        first = self.put(replacement, new)
        replacement.send(first)
        self.wait_until("SELECT count(*) FROM quarantine", 3)
        (keys / "gw-0007.json").rename(keys / "gw-0007.before-2026-11-28.json")
        (keys / "gw-0007.json").write_text(json.dumps(new.told))
        replacement.send(first, self.put(replacement, new))
        epoch = f"SELECT string_agg(seq::text, ' ' ORDER BY seq) FROM number WHERE epoch = '{replacement.epoch}' AND state = 'stored'"
        self.wait_until(epoch, "1 2")
        # What the old box still had, out of its export: its key is still known.
        late = self.put(gateway, old)
        replacement.publish("event/encroachment", gateway.outbox[late][1])
        self.wait_until("SELECT count(*) FROM event_revision", 4)

    def test_only_the_gateway_can_say_that_a_number_cannot_be_taken(self) -> None:
        keys = self.folder / "keys"
        keys.mkdir()
        source = f"urn:gridwatch:330902{self.town}:gw-0007"
        box, stranger = Box(source), Box(source)
        (keys / "gw-0007.json").write_text(json.dumps(box.told))
        gateway = self.gateway()
        self.consumer(settings=HASTY + f'[signatures]\nkeys = "{keys}"\n').wait()
        gateway.silent = True
        *_, future, last = (self.put(gateway, box) for _ in range(5))
        # A field of a later version, and signed: asking again would bring the same.
        event = json.loads(gateway.outbox[future][1])
        event["data"]["mood"] = "calm"
        event = {name: member for name, member in event.items() if name not in ("signature", "sigkeyid")}
        gateway.outbox[future] = (gateway.event_id(future), box.sign(json.dumps(event).encode()))
        gateway.send(last)
        self.wait_until("SELECT highest FROM epoch", last)

        sequence = {"epoch": gateway.epoch, "seq": 1}
        bare = {"data": {"sequence": sequence}}
        odd = {"source": source, "data": {"kind": "encroachment", "sequence": sequence}}
        rubbish = [bare, odd, odd | {"sigkeyid": [], "signature": {}}, odd | {"sigkeyid": box.id, "signature": 5},
                   odd | {"sigkeyid": box.id, "signature": "\u00e9"}, {"data": {"sequence": {"epoch": str(uuid.uuid4()), "seq": 9}}}]
        payloads = [json.dumps(each).encode() for each in rubbish]
        payloads += [stranger.sign(json.dumps(odd).encode()),
                     # Signed, but for another epoch, or for another gateway.
                     box.sign(json.dumps(odd | {"data": odd["data"] | {"sequence": {"epoch": str(uuid.uuid4()), "seq": 1}}}).encode()),
                     box.sign(json.dumps(odd | {"source": source.replace("0007", "0008")}).encode())]
        for payload in payloads:
            gateway.publish("event/encroachment", payload)
        # Its own and valid, but sent by somebody to where it does not belong.
        gateway.publish("event/dumping", gateway.outbox[1][1])
        gateway.send(future)
        self.wait_until("SELECT count(*) FROM quarantine", len(payloads) + 2)
        self.assertEqual(self.rows("SELECT seq, state FROM number ORDER BY seq"), [(future, "invalid"), (last, "stored")])
        self.assertEqual(self.rows("SELECT epoch::text, ended_at FROM epoch"), [(gateway.epoch, None)])
        gateway.silent = False
        self.wait_until("SELECT complete_to FROM epoch", last)
        self.assertEqual(self.one("SELECT count(*) FROM number WHERE state = 'stored'"), last - 1)
        self.assertFalse(any(asked["since_seq"] <= future <= asked["until_seq"] for asked in gateway.asked("resync")))


if __name__ == "__main__":
    unittest.main()
