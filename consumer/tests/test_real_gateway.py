"""The real program at the other end, with the rights that the contract's access rules give to each."""

import json
import os
import signal
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from services import Broker, wait
from township import TownshipTest

ROOT = Path(__file__).resolve().parents[2]
SCENES = ROOT / ".cache/lab/demo"
RUNTIME = Path(os.environ.get("GRIDWATCH_ORT", ROOT / ".cache/onnxruntime/libonnxruntime.so"))
BUILDS = [Path(os.environ.get("GRIDWATCH_BIN", "none")), ROOT / "target/debug/gridwatch", ROOT / "target/release/gridwatch"]
BASE = "grid/v1/330902/101/gw-0007"


def missing() -> str | None:
    """What there is not, of what the program needs."""
    for what in (SCENES / "index.json", RUNTIME):
        if not what.exists():
            return what.name
    return None if any(build.is_file() for build in BUILDS) else "gridwatch"


class RealGateway(TownshipTest):
    """One long day: events before anybody listens, a kill, receipts, pictures asked for, a restart."""

    def setUp(self) -> None:
        if absent := missing():
            print(f"\nskipped: the consumer against the real program: {absent} is not there")
            self.skipTest(absent)
        super().setUp()
        self.town = "101"
        passwords = self.folder / "passwords"
        passwords.touch(mode=0o600)
        for user in ("gw-0007", "township"):
            subprocess.run(["mosquitto_passwd", "-b", passwords, user, f"of-{user}"], check=True)
        rules = f"acl_file {ROOT}/contract/mosquitto.acl\npassword_file {passwords}\n"
        self.broker = Broker(rules, anonymous=False)
        self.addCleanup(self.broker.remove)
        self.file = self.folder / "gridwatch.toml"
        self.file.write_text(configuration(self.broker.port), encoding="utf-8")
        self.program = next(build for build in BUILDS if build.is_file())
        self.environment = os.environ | {"GRIDWATCH_PASSWORD": "of-gw-0007", "ORT_DISABLE_TELEMETRY": "1"}
        self.events: list[dict[str, Any]] = []
        self.metrics: list[dict[str, Any]] = []
        self.listen()

    def listen(self) -> None:
        """Somebody who only looks on, so that the test knows what has been sent."""
        client = mqtt.Client(CallbackAPIVersion.VERSION2, "onlooker", protocol=mqtt.MQTTv5)
        client.username_pw_set("township", "of-township")
        kinds = {"event": self.events, "metrics": self.metrics}
        client.on_message = lambda _, __, m: kinds[m.topic.split("/")[5]].append(json.loads(m.payload))
        client.on_connect = lambda client, *_: client.subscribe([(f"{BASE}/event/+", 1), (f"{BASE}/metrics", 1)])
        client.connect("127.0.0.1", self.broker.port)
        client.loop_start()
        self.addCleanup(client.loop_stop)
        self.addCleanup(client.disconnect)

    def gridwatch(self) -> subprocess.Popen:
        """The program, running."""
        with (self.folder / "gridwatch.log").open("ab") as log:
            process = subprocess.Popen([self.program, "run", "--config", self.file], stdout=log, stderr=log, env=self.environment)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def numbers(self) -> set[int]:
        """Of the events that were sent so far."""
        return {event["data"]["sequence"]["seq"] for event in self.events}

    def test_nothing_is_lost_between_a_street_and_the_database(self) -> None:
        gateway = self.gridwatch()
        wait("first event, while no consumer exists", lambda: 1 in self.numbers(), 120)
        login = 'tls = false\nusername = "township"\npassword = { env = "TOWNSHIP_PASSWORD" }'
        start = lambda: self.consumer(mqtt=login, environment={"TOWNSHIP_PASSWORD": "of-township"})  # noqa: E731
        consumer = start().wait()
        # It learns of the first by the number of the second, and asks.
        wait("second event", lambda: 2 in self.numbers(), 120)
        self.wait_until("SELECT count(*) >= 2 FROM number WHERE state = 'stored'", True)
        self.wait_until("SELECT count(*) FROM evidence WHERE state <> 'stored'", 0)
        self.assertGreater(self.one("SELECT count(*) FROM picture WHERE claimed"), 0)
        self.wait_until("SELECT count(*) >= 1 FROM command WHERE name = 'resync' AND status = 'ok'", True)
        self.assertEqual(self.rows("SELECT * FROM quarantine"), [])
        consumer.kill()
        start().wait()
        self.ask_for_pictures()
        command = [self.program, "emit-test", "--config", self.file]
        subprocess.run(command, check=True, env=self.environment, stdout=subprocess.DEVNULL, timeout=60)
        self.wait_until("SELECT count(*) FROM event WHERE test", 1)
        # Receipts have let go of everything: its own counters say so when it comes back.
        self.wait_until("SELECT count(*) FROM event_revision WHERE receipted_at IS NULL", 0)
        gateway.send_signal(signal.SIGTERM)
        self.assertEqual(gateway.wait(timeout=60), 0)
        before = len(self.metrics)
        self.gridwatch()
        counters = wait("counters", lambda: self.metrics[before:] and self.metrics[-1], 60)
        self.assertEqual((counters["outbox"]["pending"], counters["outbox"]["lost"]), (0, 0))
        self.assertEqual(counters["last_seq"], max(self.numbers()))
        self.wait_until("SELECT count(DISTINCT seq) FROM number", counters["last_seq"])
        self.wait_until("SELECT string_agg(DISTINCT state, ' ') FROM number", "stored")
        self.assertEqual(self.one("SELECT count(*) FROM epoch"), 1)

    def ask_for_pictures(self) -> None:
        """One that was lost here comes again; one that the gateway never had is said to be gone."""
        event_id, picture, digest = self.rows("SELECT event_id, id, sha256 FROM evidence ORDER BY 1, 2 LIMIT 1")[0]
        with self.postgres.connect(self.database) as connection, connection.transaction():
            connection.execute("DELETE FROM picture WHERE event_id = %s AND id = %s", [event_id, picture])
            sql = "UPDATE evidence SET state = 'wanted' WHERE event_id = %s AND id = %s"
            connection.execute(sql, [event_id, picture])
            connection.execute(
                "INSERT INTO evidence SELECT event_id, 'e99', sha256, revision, role, bytes, width, height, captured_at, 'wanted'"
                " FROM evidence WHERE event_id = %s AND id = %s AND sha256 = %s", [event_id, picture, digest]
            )
        self.wait_until(f"SELECT state FROM evidence WHERE event_id = '{event_id}' AND id = '{picture}'", "stored")
        self.wait_until("SELECT state || ': ' || detail FROM evidence WHERE id = 'e99'", "gone: the picture is not kept any more")
        with self.postgres.connect(self.database) as connection:
            connection.execute("DELETE FROM evidence WHERE id = 'e99'")


def configuration(mqtt_port: int) -> str:
    """Three of the demo's cameras, with clips in the place of streams."""
    text = (
        '[gateway]\nid = "gw-0007"\ncounty_code = "330902"\ntown_code = "101"\nvillage_code = "330902101203"\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {mqtt_port}\npassword = {{ env = "GRIDWATCH_PASSWORD" }}\n'
        f'[storage]\nstate_dir = "state"\n[inference]\nruntime_library = "{RUNTIME}"\n'
        f'model = "{ROOT}/models/street-n.toml"\nthreads = 1\n[alert_budget]\nopened_per_hour = 600\n'
    )
    for scene in ("encroachment", "dumping", "crowding"):
        folder = SCENES / scene
        clip = tomllib.loads((folder / "scene.toml").read_text(encoding="utf-8"))["clip"]
        _, zones, rules = (folder / "gridwatch.toml").read_text(encoding="utf-8").partition("[[camera.zone]]")
        text += f'[[camera]]\nid = "cam-{scene}"\nurl = "file:{folder}/{clip}"\nrepeat = true\n{zones}{rules}\n'
    return text
