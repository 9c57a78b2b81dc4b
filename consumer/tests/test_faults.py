"""Kills, restarts, and more than one consumer: nothing is lost, nothing is there twice."""

import random
import signal
import time

from services import Broker, wait
from township import HASTY, TownshipTest

# Nothing is asked for, so that only acknowledgements stand between a message and its loss.
NO_QUESTIONS = HASTY.replace("commands_per_minute", "resync = false\npictures = false\ncommands_per_minute")


class Faults(TownshipTest):
    """Each test sends every message once."""

    def test_kills_in_mid_flow_lose_nothing(self) -> None:
        gateway = self.gateway()
        self.consumer(settings=NO_QUESTIONS).wait().kill()
        numbers = [gateway.write(pictures=1) for _ in range(150)]
        gateway.send(*numbers)
        dice = random.Random(self.town)
        for kill in range(5):
            process = self.consumer(settings=NO_QUESTIONS)
            stored = self.one("SELECT count(*) FROM event_revision") or 0
            # Killed while it stores, at no particular moment.
            some_more = stored + dice.randint(2, 15)
            wait("progress", lambda: (self.one("SELECT count(*) FROM event_revision") or 0) >= some_more)  # noqa: B023
            process.kill()
            self.assertLess(self.one("SELECT count(*) FROM number"), 150, f"still in mid flow at kill {kill + 1}")
        self.consumer(settings=NO_QUESTIONS).wait()
        self.wait_complete(gateway)
        self.wait_until("SELECT count(*) FROM evidence WHERE state = 'stored'", 150)
        self.assert_all_stored_once(gateway)
        wait("receipt of every event", lambda: len({r["subject"] for r in gateway.receipts}) == 150)
        self.assertEqual(gateway.commands, [])

    def test_two_consumers_share_the_load_and_one_ledger(self) -> None:
        gateway = self.gateway()
        first, _ = self.consumer("judge-1").wait(), self.consumer("judge-2").wait()
        numbers = [gateway.write(pictures=1) for _ in range(60)]
        gateway.send(*(seq for seq in numbers if seq % 7), pictures=True)
        self.wait_complete(gateway)
        self.wait_until("SELECT count(*) FROM evidence WHERE state = 'stored'", 60)
        self.assert_all_stored_once(gateway)
        shares = dict(self.rows("SELECT stored_by, count(*) FROM event_revision GROUP BY stored_by"))
        self.assertEqual(len(shares), 2, shares)
        self.assertTrue(all(share >= 10 for share in shares.values()), shares)
        asked = gateway.asked("resync")
        most = max(asked.count(question) for question in asked)
        self.assertLessEqual(most, 2, "one consumer asks for both")
        # What one of them took with it when it died is asked for by the other.
        first.kill()
        gateway.send(*(gateway.write(pictures=1) for _ in range(10)))
        self.wait_complete(gateway)
        self.wait_until("SELECT count(*) FROM evidence WHERE state = 'stored'", 70)
        self.assertEqual(self.one("SELECT count(*) FROM gone"), 0)

    def test_a_broker_that_is_restarted(self) -> None:
        self.broker = Broker()
        self.addCleanup(self.broker.remove)
        gateway = self.gateway()
        # Alone, without a group: mosquitto 2.0 forgets groups when it restarts, until their members are back.
        process = self.consumer(settings=NO_QUESTIONS, share="").wait()
        gateway.send(*(gateway.write() for _ in range(10)))
        self.wait_complete(gateway)
        self.broker.end(signal.SIGTERM)
        wait("consumer that notices", lambda: "no connection" in process.text())
        self.broker.start()
        gateway.send(*(gateway.write() for _ in range(10)))
        self.wait_complete(gateway)
        self.assert_all_stored_once(gateway)

    def test_a_broker_that_forgets_everything(self) -> None:
        self.broker = Broker()
        self.addCleanup(self.broker.remove)
        gateway = self.gateway()
        self.consumer().wait().stop()
        for _ in range(10):
            gateway.send(gateway.write())
        wait("messages at the broker", lambda: gateway.client._out_messages == {})
        self.broker.end(signal.SIGKILL)
        self.broker.start()
        self.consumer().wait()
        wait("gateway that is back", gateway.client.is_connected)
        gateway.send(gateway.write())
        self.wait_complete(gateway)
        self.assert_all_stored_once(gateway)
        self.assertEqual(gateway.asked("resync")[0], {"since_seq": 1, "until_seq": 10, "epoch": gateway.epoch})

    def test_a_database_that_is_restarted(self) -> None:
        gateway = self.gateway()
        process = self.consumer(settings=NO_QUESTIONS).wait()
        gateway.send(*(gateway.write() for _ in range(5)))
        self.wait_complete(gateway)
        self.postgres.end(signal.SIGQUIT)
        gateway.send(*(gateway.write(pictures=1) for _ in range(40)))
        wait("consumer that notices", lambda: "the database:" in process.text())
        self.postgres.start()
        self.wait_complete(gateway)
        self.wait_until("SELECT count(*) FROM evidence WHERE state = 'stored'", 40)
        self.assert_all_stored_once(gateway)
        self.assertIsNone(process.child.poll())

    def test_it_stops_soon_although_the_database_is_away(self) -> None:
        gateway = self.gateway()
        process = self.consumer(settings=NO_QUESTIONS).wait()
        with self.postgres.connect("postgres") as admin:
            admin.execute(f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS false")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [self.database])
        gateway.send(gateway.write())
        wait("consumer that notices", lambda: "the database:" in process.text())
        asked = time.monotonic()
        self.assertEqual(process.stop(), 0)
        self.assertLess(time.monotonic() - asked, 15)
        with self.postgres.connect("postgres") as admin:
            admin.execute(f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS true")
        self.consumer(settings=NO_QUESTIONS)
        self.wait_complete(gateway)
