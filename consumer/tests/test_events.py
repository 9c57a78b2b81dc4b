"""Events and pictures on a quiet day, and what is not valid."""

import json
import uuid

from services import wait
from township import IMPATIENT, TownshipTest


class Events(TownshipTest):
    """Stored, answered, listed."""

    def test_events_are_stored_once_and_answered(self) -> None:
        gateway = self.gateway()
        process = self.consumer().wait()
        first = gateway.write(pictures=2)
        gateway.send(first)
        event_id = gateway.event_id(first)
        closed = gateway.write(event_id=event_id, phase="closed", revision=3)
        updated = gateway.write(event_id=event_id, phase="updated", revision=2)
        # The newest comes first, and everything comes twice.
        gateway.send(closed, updated, first, closed, updated, first)
        self.wait_complete(gateway)
        wait("receipt for each message", lambda: len(gateway.receipts) >= 7)
        self.assert_all_stored_once(gateway)
        self.assertEqual(self.rows("SELECT revision, phase, close_reason FROM event"), [(3, "closed", "cleared")])
        self.assertEqual({r["data"]["state"] for r in gateway.receipts}, {"received"})
        said = {(r["data"]["revision_seen"], r["data"]["seq"], r["id"]) for r in gateway.receipts}
        self.assertEqual(len(said), 3, "the same receipt each time")
        self.assertEqual(len({seq for _, seq, _ in said}), 3)
        self.wait_until("SELECT count(*) FROM event_revision WHERE receipted_at IS NULL", 0)
        self.assertEqual(self.one("SELECT next_feedback_seq(%s)", event_id), 4)
        self.assertEqual(process.stop(), 0)

    def test_a_picture_may_come_before_its_event(self) -> None:
        gateway = self.gateway()
        self.consumer().wait()
        seq = gateway.write(pictures=2)
        gateway.send_pictures(gateway.event_id(seq))
        self.wait_until("SELECT count(*) FROM picture WHERE NOT claimed", 2)
        gateway.send(seq, pictures=False)
        self.wait_until("SELECT count(*) FROM evidence WHERE state = 'stored'", 2)
        self.assert_all_stored_once(gateway)
        self.assertEqual(gateway.asked("get-evidence"), [])

    def test_pictures_that_do_not_come_are_asked_for(self) -> None:
        gateway = self.gateway()
        self.consumer(settings=IMPATIENT).wait()
        seq = gateway.write(pictures=3)
        event_id = gateway.event_id(seq)
        gone = gateway.pictures.pop((event_id, "e2"))
        good = gateway.pictures[event_id, "e3"]
        gateway.pictures[event_id, "e3"] = b"\xff\xd8\xff another picture"
        gateway.send(seq, pictures=False)
        self.wait_until("SELECT string_agg(state, ' ' ORDER BY id) FROM evidence", "stored gone not_sent_again")
        self.assertEqual(self.one("SELECT detail FROM evidence WHERE id = 'e2'"), "the picture is not kept any more")
        # What comes all the same is taken.
        gateway.publish(f"evidence/{event_id}/e2", gone)
        gateway.publish(f"evidence/{event_id}/e3", good)
        self.wait_until("SELECT count(*) FROM evidence WHERE state = 'stored'", 3)

    def test_what_is_not_valid_goes_into_quarantine(self) -> None:
        gateway = self.gateway()
        process = self.consumer().wait()
        seq = gateway.write()
        good = json.loads(gateway.outbox[seq][1])
        person = json.loads(json.dumps(good))
        person["data"]["person"] = {"name": "CANARY-person"}
        person["data"]["sequence"]["seq"] = 7
        nul = json.loads(json.dumps(good))
        nul["data"]["place"]["address"] = "a\0b"
        date = json.loads(json.dumps(good).replace("2026-11-22T19:35:39", "2026-02-30T19:35:39"))
        stranger = json.loads(json.dumps(good).replace("gw-0007", "gw-0008"))
        for payload in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"data": {"sequence": 5}}', b'{"a": 1e999}'):
            gateway.publish("event/encroachment", payload)
        for event in (person, nul, date, stranger):
            gateway.publish("event/encroachment", json.dumps(event).encode())
        self.wait_until("SELECT count(*) FROM quarantine", 10)
        self.assertEqual(self.rows("SELECT epoch FROM epoch"), [], "what is not valid makes no epoch known")
        gateway.publish("event/dumping", gateway.outbox[seq][1])
        gateway.publish(f"evidence/{gateway.event_id(seq)}/e1", b"GIF89a")
        gateway.publish("evidence/not-an-event/e1", b"\xff\xd8\xff")
        gateway.publish(f"evidence/{gateway.event_id(seq)}/e1", b"\xff\xd8\xff" + bytes(300_000))
        gateway.send(seq)
        self.wait_until("SELECT count(*) FROM event_revision", 1)
        changed = json.dumps(good | {"time": "2026-11-22T19:38:40.200+08:00"}).encode()
        gateway.publish("event/encroachment", changed)
        # Now the epoch is known: a number that came like this is not asked for again.
        gateway.publish("event/encroachment", json.dumps(person).encode())
        other = {"data": {"sequence": {"epoch": str(uuid.uuid4()), "seq": 1}}}
        gateway.publish("event/encroachment", json.dumps(other).encode())
        self.wait_until("SELECT count(*) FROM quarantine", 16)
        self.assertEqual(self.rows("SELECT seq, state FROM number ORDER BY seq"), [(1, "stored"), (7, "invalid")])
        self.assertEqual(self.rows("SELECT highest, ended_at FROM epoch"), [(7, None)], "another epoch ends none either")
        wait("receipt", lambda: gateway.receipts)
        self.assertEqual({r["data"]["event_id"] for r in gateway.receipts}, {gateway.event_id(seq)})
        self.assertNotIn("CANARY", process.text())
        self.assertIsNone(process.child.poll())

    def test_what_is_nested_too_deep_to_be_walked_does_not_stop_it(self) -> None:
        gateway = self.gateway()
        process = self.consumer().wait()
        # Just below what the parser refuses by itself, which depends on how deep the parser is called.
        depths = range(950, 1000)
        answer = '{"command":"ping","status":"ok","at":"2026-11-28T10:00:00.000+08:00","result":%s}'
        for depth in depths:
            deep = "[" * depth + "]" * depth
            gateway.publish("event/encroachment", f'{{"data":{deep}}}'.encode())
            gateway.publish(f"rsp/{self.town}-judge-1", (answer % deep).encode())
        gateway.send(gateway.write())
        self.wait_until("SELECT count(*) FROM event_revision", 1)
        self.wait_until("SELECT count(*) FROM quarantine", 2 * len(depths))
        self.assertIsNone(process.child.poll())
