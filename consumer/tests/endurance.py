"""Trouble without end: three consumers, and something of the chain that is killed or restarted twice a second.

    python consumer/tests/endurance.py [SECONDS] [SEED]

Not part of scripts/test, since what it finds depends on the moment. Prints what was done, and fails unless every event and
every picture is stored once and receipted.
"""

import collections
import random
import signal
import sys
import time
import unittest

from services import Broker, Postgres
from township import HASTY, TownshipTest

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 150.0
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 7
SETTINGS = HASTY.replace("grace_s = 0.4", "grace_s = 3").replace("_s = 0.5", "_s = 3").replace("backoff_s = 1\n", "backoff_s = 9\n")
CHANCES = {"consumer killed": 10, "consumer stopped": 3, "database crashed": 1, "broker killed": 1, "broker stopped": 1}


class Endurance(TownshipTest):
    """Every message is sent once; what a broker takes with it is asked for."""

    def test_nothing_is_lost_and_nothing_is_double(self) -> None:
        self.broker, self.postgres = Broker(), Postgres()
        self.addCleanup(self.broker.remove)
        self.addCleanup(self.postgres.remove)
        with self.postgres.connect("postgres") as admin:
            admin.execute(f"CREATE DATABASE {self.database}")
        gateway, dice = self.gateway(), random.Random(SEED)
        self.consumers = {name: self.consumer(name, SETTINGS) for name in ("judge-1", "judge-2", "judge-3")}
        for process in self.consumers.values():
            process.wait()
        done: collections.Counter[str] = collections.Counter()
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            gateway.send(*(gateway.write(pictures=dice.randint(0, 2)) for _ in range(dice.randint(1, 8))))
            time.sleep(dice.uniform(0, 0.5))
            (what,) = dice.choices(list(CHANCES), list(CHANCES.values()))
            done[what] += 1
            self.make(what, dice)
        print(f"\n{dict(done)}, {len(gateway.outbox)} events, {len(gateway.pictures)} pictures")
        gateway.metrics(len(gateway.outbox))
        self.wait_complete(gateway)
        self.wait_until("SELECT count(*) FROM evidence WHERE state = 'stored'", len(gateway.pictures))
        self.assert_all_stored_once(gateway)
        self.wait_until("SELECT count(*) FROM event_revision WHERE receipted_at IS NULL", 0)
        self.assertEqual(self.rows("SELECT * FROM gone"), [])
        print("asked:", self.rows("SELECT name, status, count(*) FROM command GROUP BY name, status ORDER BY name"))

    def make(self, what: str, dice: random.Random) -> None:
        """One piece of trouble, and its end."""
        if what.startswith("consumer"):
            name = dice.choice(list(self.consumers))
            ended = self.consumers[name]
            ended.kill() if what.endswith("killed") else ended.stop()
            self.consumers[name] = self.consumer(name, SETTINGS)
            return
        server = self.postgres if what.startswith("database") else self.broker
        orderly = signal.SIGTERM if what.endswith("stopped") else signal.SIGKILL
        server.end(signal.SIGQUIT if server is self.postgres else orderly)
        time.sleep(dice.uniform(0, 1))
        server.start()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
