"""The configuration, the schema of the database, TLS, and a consumer that is taken away for good."""

import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from gateway import new_event_id
from services import Broker
from township import CONSUMER, HASTY, TownshipTest

sys.path.insert(0, str(CONSUMER))

from gridwatch_consumer.config import load
from gridwatch_consumer.toml_table import ConfigError


class Configuration(unittest.TestCase):
    """Files and what is said about them."""

    def mistakes(self, text: str) -> list[str]:
        """One line each, without the file's folder."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "consumer.toml")
            file.write_text(text, encoding="utf-8")
            try:
                load(file)
            except ConfigError as error:
                return str(error).replace(f"{folder}/", "").splitlines()
        return []

    def test_the_example_is_right(self) -> None:
        config = load(CONSUMER / "example.toml")
        self.assertEqual((config.mqtt.port, config.topics.share, config.keep.pictures_days), (8883, "judge", 30))

    def test_all_mistakes_are_named_and_no_secret(self) -> None:
        found = self.mistakes(
            '[mqtt]\nhost = "a b"\nport = 0\npassword = "CANARY-1"\ntls = "yes"\nuser = "x"\nca_file = "none.pem"\n'
            '[topics]\ncounty = "1"\n[database]\ndsn = "host=db password=CANARY-2"\npassword = { env = "NOT_SET_7" }\n[extra]\n'
        )
        keys = [line.split(": ")[1] for line in found]
        wanted = {"mqtt.host", "mqtt.port", "mqtt.client_id", "mqtt.password", "mqtt.tls", "mqtt.user", "mqtt.ca_file",
                  "topics.county", "topics.town", "database.dsn", "database.password", "answers.source", "extra"}
        self.assertEqual(set(keys), wanted, found)
        self.assertTrue(all(line.startswith("consumer.toml: ") for line in found))
        self.assertNotIn("CANARY", "".join(found))

    def test_a_connection_string_is_one_that_libpq_can_read(self) -> None:
        example = (CONSUMER / "example.toml").read_text(encoding="utf-8")
        for_dsn = lambda dsn: self.mistakes(example.replace("host=/run/postgresql dbname=gridwatch user=gridwatch", dsn))  # noqa: E731
        for dsn in ("host=db dbname", "hots=db", "host='db", "host=db CANARY", "postgresql://[::1/x", "postgresql://db/x?CANARY=1"):
            found = for_dsn(dsn)
            self.assertEqual(len(found), 1, dsn)
            self.assertIn("consumer.toml: database.dsn: libpq's connection string expected", found[0])
            self.assertNotIn("CANARY", found[0])
        for dsn in ("postgresql://me:CANARY@db/x", "host=db sslpassword=CANARY"):
            self.assertEqual(for_dsn(dsn), ["consumer.toml: database.dsn: holds a password; use database.password"])
        for dsn in ("host=db dbname=passwords", "postgresql://me@db:5433/x?sslmode=verify-full", "service=gridwatch"):
            self.assertEqual(for_dsn(dsn), [])

    def test_a_file_that_is_no_toml_or_no_file(self) -> None:
        self.assertIn("not TOML", self.mistakes("[mqtt")[0])
        command = [sys.executable, "-m", "gridwatch_consumer", "--config", "missing.toml"]
        done = subprocess.run(command, cwd=CONSUMER, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (3, "missing.toml: No such file or directory\n"))


class Setup(TownshipTest):
    """What a township meets on the first and on the last day."""

    def test_a_newer_schema_is_refused_in_plain_words(self) -> None:
        self.consumer().wait().stop()
        with self.postgres.connect(self.database) as connection:
            connection.execute("INSERT INTO schema_version(version) VALUES(99)")
        process = self.consumer()
        self.assertEqual(process.child.wait(timeout=60), 1)
        self.assertIn("schema 99, written by a newer consumer; this one knows 1", process.text())

    def test_tls_with_a_password_and_a_client_certificate(self) -> None:
        make_certificates(self.folder)
        passwords = self.folder / "passwords"
        passwords.touch(mode=0o600)
        subprocess.run(["mosquitto_passwd", "-b", passwords, "township", "CANARY-password"], check=True)
        tls = "".join(f"{key} {self.folder}/{name}\n" for key, name in
                      (("cafile", "ca.pem"), ("certfile", "broker.pem"), ("keyfile", "broker.key")))
        self.broker = Broker(f"{tls}require_certificate true\npassword_file {passwords}\n", anonymous=False)
        self.addCleanup(self.broker.remove)
        secret = 'username = "township"\npassword = { env = "MQTT_SECRET" }\nca_file = "ca.pem"\n'
        mqtt = secret + 'cert_file = "judge.pem"\nkey_file = "judge.key"\n'
        process = self.consumer(mqtt=mqtt, environment={"MQTT_SECRET": "CANARY-password"}).wait()
        self.assertEqual(process.stop(), 0)
        wrong = self.consumer("judge-2", mqtt=mqtt, environment={"MQTT_SECRET": "CANARY-wrong"})
        self.wait_for_text(wrong, "refuses the connection: Not authorized")
        stranger = self.consumer("judge-3", mqtt=mqtt.replace("ca.pem", "judge.pem"), environment={"MQTT_SECRET": "CANARY-x"})
        self.wait_for_text(stranger, "cannot be reached")
        self.assertNotIn("CANARY", process.text() + wrong.text() + stranger.text())

    def test_one_that_leaves_takes_no_more_than_what_is_asked_for(self) -> None:
        gateway = self.gateway()
        self.consumer("judge-2").wait().kill()
        command = [sys.executable, "-m", "gridwatch_consumer", "--config", str(self.folder / "judge-2.toml"), "--leave"]
        subprocess.run(command, cwd=CONSUMER, check=True, timeout=60, stdout=subprocess.DEVNULL)
        self.consumer("judge-1", HASTY.replace("commands_per_minute", "resync = false\ncommands_per_minute")).wait()
        gateway.send(*(gateway.write() for _ in range(10)))
        self.wait_complete(gateway)


    def test_pictures_are_deleted_when_their_time_is_up(self) -> None:
        gateway = self.gateway()
        process = self.consumer().wait()
        old, new = gateway.write(pictures=1), gateway.write(pictures=1)
        gateway.send(old, new)
        stray = new_event_id()
        gateway.publish(f"evidence/{stray}/e1", b"\xff\xd8\xff of no event")
        self.wait_until("SELECT count(*) FROM picture", 3)
        process.stop()
        with self.postgres.connect(self.database) as connection:
            sql = "UPDATE evidence SET wanted_at = now() - interval '31 days' WHERE event_id = %s"
            connection.execute(sql, [gateway.event_id(old)])
            connection.execute("UPDATE picture SET stored_at = now() - interval '8 days' WHERE NOT claimed")
        self.consumer()
        self.wait_until("SELECT count(*) FROM picture", 1)
        self.assertEqual(str(self.one("SELECT event_id FROM picture")), gateway.event_id(new))
        self.assertEqual(self.one("SELECT state FROM evidence WHERE event_id = %s", gateway.event_id(old)), "expired")
        self.assertEqual(self.one("SELECT reason FROM quarantine"), "no event has listed this picture")
        self.assertEqual(self.one("SELECT count(*) FROM event"), 2)


def make_certificates(folder: Path) -> None:
    """An authority, a broker on 127.0.0.1, a client."""
    openssl = shutil.which("openssl") or "openssl"
    quiet = {"check": True, "cwd": folder, "capture_output": True}
    new = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subprocess.run([*new, "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"], **quiet)
    for name in ("broker", "judge"):
        signed = [*new, "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"]
        subprocess.run([*signed, "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", f"{name}.key", "-out", f"{name}.pem"], **quiet)
        (folder / f"{name}.key").chmod(0o644)
