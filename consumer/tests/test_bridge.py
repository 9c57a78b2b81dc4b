"""Two real brokers with the files of `consumer/bridge`: a town with the contract's rights, and its county."""

import json
import re
import signal
import subprocess
from pathlib import Path

from gateway import Gateway
from services import Broker, wait
from township import CONSUMER, HASTY, TownshipTest

CONTRACT = CONSUMER.parent / "contract"
READS_ONLY = HASTY.replace("commands_per_minute", "receipts = false\nresync = false\npictures = false\ncommands_per_minute")


def login(user: str) -> str:
    """The consumer's keys for a user of these brokers."""
    return f'tls = false\nusername = "{user}"\npassword = {{ env = "BROKER_PASSWORD" }}'


class Bridge(TownshipTest):
    """What goes up, what waits, and what does not come down."""

    def broker_for(self, name: str, users: list[str], acl: Path, more: str = "") -> Broker:
        """With passwords equal to the names."""
        passwords = self.folder / f"passwords-{name}"
        passwords.touch(mode=0o600)
        for user in users:
            subprocess.run(["mosquitto_passwd", "-b", passwords, user, user], check=True)
        broker = Broker(f"password_file {passwords}\nacl_file {acl}\n{more}", anonymous=False)
        self.addCleanup(broker.remove)
        return broker

    def bridge(self, county: Broker, commands: bool) -> str:
        """The example, between these brokers, without TLS; with its lines for commands or without."""
        text = (CONSUMER / "bridge/county-bridge.conf").read_text(encoding="utf-8")
        text = text.replace("broker.county.example:8883", f"127.0.0.1:{county.port}").replace("bridge_cafile", "#bridge_cafile")
        text = text.replace("restart_timeout 1 30", "restart_timeout 1 1")
        text = re.sub(r"#remote_password .*", "remote_password town-101", text)
        return re.sub(r"^#topic", "topic", text, flags=re.MULTILINE) if commands else text

    def start(self, commands: bool = False) -> Gateway:
        """Both brokers; a gateway of the town."""
        open_up = lambda text: re.sub(r"^#topic", "topic", text, flags=re.MULTILINE) if commands else text  # noqa: E731
        acl = self.folder / "county.acl"
        acl.write_text(open_up((CONSUMER / "bridge/county.acl").read_text(encoding="utf-8")), encoding="utf-8")
        self.county = self.broker_for("county", ["town-101", "county-platform"], acl)
        self.town, bridge = "101", self.bridge(self.county, commands)
        self.broker = self.broker_for("town", ["gw-0007", "township"], CONTRACT / "mosquitto.acl", bridge)
        gateway = Gateway(self.broker.port, "101", login=("gw-0007", "gw-0007"))
        self.addCleanup(gateway.close)
        return gateway

    def test_events_go_up_and_the_town_keeps_its_own(self) -> None:
        gateway = self.start()
        self.consumer(mqtt=login("township"), environment={"BROKER_PASSWORD": "township"}).wait()
        town, self.broker, town_database = self.broker, self.county, self.database
        self.database = f"county{self.county.port}"
        with self.postgres.connect("postgres") as admin:
            admin.execute(f"CREATE DATABASE {self.database}")
        county_process = self.consumer(
            "county-1", READS_ONLY, login("county-platform"), share="", environment={"BROKER_PASSWORD": "county-platform"}
        ).wait()
        gateway.publish("state", json.dumps({"online": True}).encode())
        gateway.send(*(gateway.write(pictures=1) for _ in range(3)))
        self.wait_until("SELECT count(*) FROM evidence WHERE state = 'stored'", 3)
        # The line to the county is cut: the town goes on, and the rest follows.
        self.county.end(signal.SIGTERM)
        gateway.send(*(gateway.write(pictures=1) for _ in range(3)))
        county_database, self.database = self.database, town_database
        self.wait_until("SELECT count(*) FROM evidence WHERE state = 'stored'", 6)
        self.county.start()
        county_process.wait(2)
        self.database = county_database
        self.wait_until("SELECT count(*) FROM evidence WHERE state = 'stored'", 6)
        self.assert_all_stored_once(gateway)
        self.database, self.broker = town_database, town
        self.assert_all_stored_once(gateway)
        wait("receipts of the town", lambda: len({r["subject"] for r in gateway.receipts}) == 6)
        self.assertEqual({r["source"] for r in gateway.receipts}, {"urn:platform:test"})
        self.assertEqual(gateway.commands, [])

    def test_a_county_may_be_allowed_to_ask(self) -> None:
        gateway = self.start(commands=True)
        gateway.send(gateway.write(pictures=1))
        self.broker = self.county
        settings = HASTY.replace("commands_per_minute", "receipts = false\ncommands_per_minute")
        secret = {"BROKER_PASSWORD": "county-platform"}
        process = self.consumer("county-1", settings, login("county-platform"), environment=secret).wait()
        gateway.write(pictures=1)
        gateway.send(gateway.write(pictures=1), pictures=False)
        self.wait_complete(gateway)
        self.wait_until("SELECT count(*) FROM evidence WHERE state = 'stored'", 3)
        self.wait_until("SELECT string_agg(DISTINCT status, ' ') FROM command", "ok")
        self.assertEqual(gateway.receipts, [])
        self.assertIsNone(process.child.poll())
