"""Holes in the numbers: seen, asked for, filled, or closed as lost."""

import itertools
import json
import uuid
from typing import Any

from gateway import Gateway
from township import HASTY, IMPATIENT, TownshipTest


class Numbers(TownshipTest):
    """`number`, `gone`, `hole`, and the commands that they cause."""

    def states(self) -> dict[int, str]:
        """Why each number that never came is not waited for."""
        rows = self.rows("SELECT first, last, reason FROM gone")
        return {seq: reason for first, last, reason in rows for seq in range(first, last + 1)}

    def hole(self, gateway: Gateway, first: int, last: int) -> dict[str, Any]:
        """The question that asks for exactly these numbers."""
        return {"since_seq": first, "until_seq": last, "epoch": gateway.epoch}

    def test_a_hole_is_asked_for_and_filled(self) -> None:
        gateway = self.gateway()
        self.consumer().wait()
        numbers = [gateway.write(pictures=1) for _ in range(8)]
        gateway.send(*numbers[2:5], numbers[7])
        self.wait_complete(gateway)
        self.wait_until("SELECT count(*) FROM evidence WHERE state = 'stored'", 8)
        self.assert_all_stored_once(gateway)
        self.assertEqual(gateway.asked("resync")[0], self.hole(gateway, 1, 2))
        self.assertIn(self.hole(gateway, 6, 7), gateway.asked("resync"))
        self.wait_until("SELECT complete_to FROM epoch", 8)
        self.wait_until("SELECT string_agg(DISTINCT status, ' ') FROM command WHERE name = 'resync'", "ok")
        self.assertEqual(self.rows("SELECT * FROM hole"), [])
        self.assertEqual(self.states(), {})

    def test_the_last_numbers_are_missed_by_what_the_counters_say(self) -> None:
        gateway = self.gateway()
        self.consumer().wait()
        gateway.send(gateway.write())
        gateway.write()
        last = gateway.write()
        self.wait_until("SELECT complete_to FROM epoch", 1)
        gateway.metrics(last)
        self.wait_complete(gateway)
        self.assertEqual(gateway.asked("resync")[0], self.hole(gateway, 2, 3))

    def test_numbers_that_never_come_are_closed(self) -> None:
        gateway = self.gateway()
        self.consumer(settings=IMPATIENT).wait()
        for _ in range(5):
            gateway.write()
        told = [{"from": 1, "to": 2, "reason": "superseded"}, {"from": 4, "to": 4, "reason": "quarantined"}]
        last = gateway.write(gone=told)
        gateway.forgotten = {1, 2, 3, 4, 5}
        gateway.send(5, last)
        self.wait_until("SELECT complete_to FROM epoch", 6)
        closed = {1: "superseded", 2: "superseded", 3: "not_sent_again", 4: "quarantined"}
        self.assertEqual(self.states(), closed)
        self.assertEqual(len(gateway.asked("resync")), 3, "no more than is allowed")
        self.assertTrue(all(asked == self.hole(gateway, 3, 3) for asked in gateway.asked("resync")))
        # One that comes all the same is taken, and the gateway's word on another replaces ours.
        gateway.send(4)
        self.wait_until("SELECT count(*) FROM number WHERE state = 'stored'", 3)
        gateway.send(gateway.write(gone=[{"from": 3, "to": 3, "reason": "lost"}]))
        self.wait_until("SELECT reason FROM gone WHERE first = 3", "lost")

    def test_numbers_that_are_not_kept_are_closed_by_the_answer(self) -> None:
        gateway = self.gateway()
        self.consumer().wait()
        numbers = [gateway.write() for _ in range(6)]
        gateway.not_kept = {1: "expired", 2: "superseded", 4: "lost", 6: "expired"}
        gateway.send(3, 6)
        self.wait_until("SELECT complete_to FROM epoch", numbers[-1])
        self.assertEqual(self.states(), {1: "expired", 2: "superseded", 4: "lost"})
        arrived = self.rows("SELECT seq FROM number ORDER BY seq")
        self.assertEqual(arrived, [(3,), (5,), (6,)])

    def test_many_holes_take_few_questions(self) -> None:
        gateway = self.gateway()
        numbers = [gateway.write() for _ in range(40)]
        self.consumer().wait()
        gateway.silent = True
        gateway.send(*numbers[1::2])
        self.wait_until("SELECT count(*) FROM number", 20)
        self.wait_until("SELECT attempts >= 2 FROM epoch", True)
        asked = gateway.asked("resync")
        # The last of eight spans what is left.
        self.assertIn(self.hole(gateway, 13, 13), asked)
        self.assertIn(self.hole(gateway, 15, 39), asked)
        self.assertNotIn(self.hole(gateway, 17, 17), asked)
        gateway.silent = False
        self.wait_complete(gateway)
        self.assertEqual(self.states(), {})

    def test_an_older_gateway_is_asked_as_it_understands(self) -> None:
        gateway = self.gateway()
        self.consumer(settings=IMPATIENT).wait()
        gateway.old = True
        gateway.write()
        gateway.write()
        gateway.send(gateway.write())
        self.wait_complete(gateway)
        self.assertEqual(gateway.asked("resync")[:2], [self.hole(gateway, 1, 2), {"since_seq": 1}])
        self.assertEqual(self.states(), {})

    def test_a_gateway_that_has_begun_anew_says_whose_numbers_it_has(self) -> None:
        gateway = self.gateway()
        self.consumer().wait()
        gateway.write()
        gateway.send(gateway.write())
        gateway.epoch = str(uuid.uuid4())
        self.wait_until("SELECT reason FROM gone", "epoch_ended")
        self.assertEqual(self.one("SELECT count(*) FROM number"), 1, "nothing of the other epoch was sent for it")

    def test_a_gateway_that_is_away_is_asked_less_and_less_often_and_nothing_is_given_up(self) -> None:
        gateway = self.gateway()
        self.consumer().wait()
        gateway.silent = True
        gateway.write()
        gateway.send(gateway.write())
        self.wait_until("SELECT attempts >= 3 FROM epoch", True)
        times = [at for at, in self.rows("SELECT asked_at FROM command ORDER BY asked_at")]
        gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(times)]
        self.assertGreaterEqual(gaps[0], 0.5)
        self.assertGreaterEqual(gaps[1], 1.0)
        self.assertEqual(self.states(), {})
        gateway.silent = False
        self.wait_complete(gateway)

    def test_another_epoch_ends_the_one_before(self) -> None:
        gateway = self.gateway()
        self.consumer().wait()
        for _ in range(3):
            gateway.write()
        gateway.send(1, 3)
        self.wait_until("SELECT count(*) FROM number", 2)
        first_epoch, gateway.silent = gateway.epoch, True
        gateway.epoch, gateway._seq = str(uuid.uuid4()), 0
        gateway.send(gateway.write())
        self.wait_until("SELECT reason FROM gone", "epoch_ended")
        self.assertEqual(str(self.one("SELECT epoch FROM gone")), first_epoch)
        # The counters are the gateway's own word: the end was concluded too early.
        gateway.epoch, gateway.silent = first_epoch, False
        gateway.metrics(3)
        self.wait_until("SELECT count(*) FROM number", 4)
        self.assertEqual(self.states(), {})

    def test_events_of_emit_test_have_no_other_numbers(self) -> None:
        gateway = self.gateway()
        self.consumer().wait()
        gateway.epoch = str(uuid.UUID(int=0))
        gateway._seq = 40
        gateway.send(gateway.write(test=True))
        self.wait_until("SELECT test FROM event", True)
        self.assertEqual(self.rows("SELECT * FROM epoch"), [])

    def test_one_that_only_reads_says_nothing(self) -> None:
        gateway = self.gateway()
        quiet = '[answers]\nsource = "urn:platform:county"\nreceipts = false\nresync = false\npictures = false\n'
        self.consumer("reader", HASTY.replace('[answers]\nsource = "urn:platform:test"\n', quiet)).wait()
        writer = Gateway(self.broker.port, self.town, "gw-0008")
        self.addCleanup(writer.close)
        gateway.write()
        gateway.send(gateway.write(pictures=1), pictures=False)
        self.wait_until("SELECT count(*) FROM hole WHERE (SELECT hole_since < now() - interval '2 s' FROM epoch)", 1)
        self.assertEqual((gateway.receipts, gateway.commands), ([], []))

    def test_an_answer_that_nobody_asked_for_changes_nothing(self) -> None:
        gateway = self.gateway()
        process = self.consumer().wait()
        answer = {"command": "resync", "status": "ok", "at": "2026-11-28T10:00:00.000+08:00", "result": {"messages": 1}}
        gateway.publish(f"rsp/{self.town}-judge-1", json.dumps(answer).encode())
        gateway.send(gateway.write())
        self.wait_complete(gateway)
        self.assertIn("nobody here asked", process.text())
