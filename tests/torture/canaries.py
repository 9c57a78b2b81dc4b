"""Canaries: every secret that a gateway is given is looked for in everything that it says, on all ways on which something goes wrong.

    canaries.py [--short]

A real broker with passwords and TLS, a real RTSP server with a login. Wrong and right passwords of cameras and broker, a refused
certificate, a broken client key, secrets written where none belong, every command that touches one, at the level TRACE, also of the
libraries. Looked through are standard output and error of everything, all messages at the broker, and every file of the state folder:
for the secrets as they are, and in base 64, hexadecimal and percent encoding.
"""

import base64
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from _lib import COUNTY, GRIDWATCH, ROOT, RUNTIME, SCENES, SHORT, TOWN, fail_unless, figure, say, skip
from services import Broker, free_port, wait

CAMERA, WRONG_CAMERA = "CANARY-cam/era+7f3a%", "CANARY-wrong-camera-55d0"
BROKER, WRONG_BROKER = "CANARY-broker-91c2", "CANARY-wrong-broker-0b7e"
INLINE, IN_URL, IN_KEY = "CANARY-inline-c44c", "CANARY-in-url-aa01", "CANARY-unknown-key-e1e1"
LEVELS = ["trace", "trace,retina=trace,rumqttc=trace,rustls=trace,rusqlite=trace,tokio=trace"]
RUN_S = 4.0 if SHORT else 25.0


class Site:
    """Servers, files, and everything that was said."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said, self.ran = folder, [], 0
        self.secrets = {name: value for name, value in globals().items() if isinstance(value, str) and value.startswith("CANARY")}
        for name, value in (("camera", CAMERA), ("camera-wrong", WRONG_CAMERA), ("broker", BROKER), ("broker-wrong", WRONG_BROKER)):
            file = folder / name
            file.write_text(value + "\n", encoding="utf-8")
            file.chmod(0o600)
        self.certificates()
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        for user, word in (("gw-0007", BROKER), ("onlooker", "onlooker")):
            subprocess.run(["mosquitto_passwd", "-b", passwords, user, word], check=True)
        passwords.chmod(0o644)
        self.tls_port = free_port()
        self.broker = Broker(f"password_file {passwords}\nlistener {self.tls_port} 127.0.0.1\ncafile {folder}/ca.pem\n"
                             f"certfile {folder}/server.pem\nkeyfile {folder}/server.key\nrequire_certificate true\n", anonymous=False)
        self.messages: list[bytes] = []
        client = mqtt.Client(CallbackAPIVersion.VERSION2, "onlooker", protocol=mqtt.MQTTv5)
        client.username_pw_set("onlooker", "onlooker")
        client.on_message = lambda _, __, message: self.messages.append(message.topic.encode() + b" " + message.payload)
        client.on_connect = lambda client, *_: client.subscribe("#", 1)
        client.connect("127.0.0.1", self.broker.port)
        client.loop_start()
        self.cameras = self.camera_server()

    def certificates(self) -> None:
        """An authority, a server, a client whose key is a secret, and an authority that nobody knows."""
        openssl = lambda *words: subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.folder)  # noqa: E731
        for name in ("ca", "other-ca"):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key",
                    "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "30")
        (self.folder / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n", encoding="utf-8")
        for name in ("server", "client"):
            openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key",
                    "-out", f"{name}.csr", "-subj", f"/CN={name}")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
                    "-extfile", "san", "-out", f"{name}.pem")
        for key in self.folder.glob("*.key"):
            key.chmod(0o644)
        self.add_key(self.folder / "client.key")
        # A key that cannot be read as one is a secret all the same.
        broken = (self.folder / "client.key").read_text(encoding="utf-8").replace("BEGIN", "BEGAN").replace("M", "m")
        (self.folder / "broken.key").write_text(broken + "CANARY-broken-key-3c3c\n", encoding="utf-8")
        self.secrets["BROKEN_KEY"] = "CANARY-broken-key-3c3c"

    def add_key(self, file: Path) -> None:
        """Every line of a key, and its bytes."""
        lines = [line for line in file.read_bytes().splitlines() if len(line) >= 32 and not line.startswith(b"-")]
        for number, line in enumerate(lines):
            self.secrets[f"{file.name} line {number + 1}"] = line.decode("latin-1")
        if lines:
            # The last bytes of an Ed25519 key are the secret itself.
            self.secrets[f"{file.name} bytes"] = base64.b64decode(b"".join(lines) + b"==")[-32:].decode("latin-1")

    def camera_server(self) -> subprocess.Popen:
        """GStreamer's, behind Digest."""
        command = ["/usr/bin/python3", ROOT / "tests/servers/camera.py", "--user", "gridwatch", "--password", CAMERA, "--scheme", "digest",
                   f"/a={SCENES}/encroachment/pictures.h264@25"]
        server = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.rtsp_port = int(server.stdout.readline().removeprefix("port "))
        return server

    def config(self, name: str, mqtt_table: str, camera: str = "camera", more: str = "", state: str = "state") -> Path:
        """A configuration with one camera."""
        file = self.folder / f"{name}.toml"
        file.write_text(
            f'[gateway]\nid = "gw-0007"\ncounty_code = "{COUNTY}"\ntown_code = "{TOWN}"\nvillage_code = "330902101203"\n{mqtt_table}\n'
            f'[storage]\nstate_dir = "{state}"\n[inference]\nruntime_library = "{RUNTIME}"\nmodel = "{ROOT}/models/street-n.toml"\n'
            f'threads = 1\n[[camera]]\nid = "cam-1"\nurl = "rtsp://127.0.0.1:{self.rtsp_port}/a"\nusername = "gridwatch"\n'
            f'password = {{ file = "{self.folder}/{camera}" }}\n[[camera.zone]]\nid = "zone"\npolygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]\n{more}',
            encoding="utf-8")
        return file

    def run(self, *arguments: object, seconds: float = 60, level: str = LEVELS[0], end: int | None = None, **environment: str) -> int | None:
        """One command, and everything that it says."""
        command = [str(word) for word in (GRIDWATCH, *arguments, "--log-level", level)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder,
                                   env=os.environ | {"RUST_BACKTRACE": "1"} | environment)
        if end is None:
            said, _ = process.communicate(timeout=seconds)
        else:
            time.sleep(seconds)
            process.send_signal(end)
            said, _ = process.communicate(timeout=60)
        self.said.append((" ".join(command), said))
        self.ran += 1
        return process.returncode

    def end(self) -> None:
        """All servers."""
        self.cameras.kill()
        self.cameras.wait()
        self.broker.remove()


def forms(secret: str) -> set[bytes]:
    """How a secret may look in a log."""
    raw = secret.encode("latin-1")
    aligned = [base64.b64encode(b"\0" * shift + raw)[shift + 1:-4] for shift in range(3)]
    return {raw, raw.hex().encode(), raw.hex().upper().encode(), urllib.parse.quote(secret, safe="").encode(), *(one for one in aligned if len(one) > 10)}


def wrongs(site: Site) -> None:
    """Everything that can go wrong with a secret, and some of what goes right."""
    folder = site.folder
    plain = lambda word: f'[mqtt]\nhost = "127.0.0.1"\nport = {site.broker.port}\npassword = {{ file = "{folder}/{word}" }}'  # noqa: E731
    tls = lambda ca, key: (  # noqa: E731
        f'[mqtt]\nhost = "127.0.0.1"\nport = {site.tls_port}\npassword = {{ file = "{folder}/broker" }}\n[mqtt.tls]\nca_file = "{folder}/{ca}.pem"\n'
        f'client_cert_file = "{folder}/client.pem"\nclient_key = {{ file = "{folder}/{key}.key" }}')
    configs = {
        "right": site.config("right", plain("broker")),
        "wrong-camera": site.config("wrong-camera", plain("broker"), camera="camera-wrong", state="state-2"),
        "wrong-broker": site.config("wrong-broker", plain("broker-wrong"), state="state-3"),
        "tls": site.config("tls", tls("ca", "client"), state="state-4"),
        "tls-unknown": site.config("tls-unknown", tls("other-ca", "client"), state="state-5"),
        "tls-broken-key": site.config("tls-broken-key", tls("ca", "broken"), state="state-6"),
        "no-tls-port": site.config("no-tls-port", plain("broker").replace(str(site.broker.port), str(site.tls_port)), state="state-7"),
        # Taken with a warning.
        "inline": site.config("inline", plain("broker").replace(f'{{ file = "{folder}/broker" }}', f'"{INLINE}"'), state="state-8"),
    }
    mistakes = {
        "in-url": site.config("in-url", plain("broker"), more=(
            f'[[camera]]\nid = "cam-2"\nurl = "rtsp://root:{IN_URL}@127.0.0.1/b"\n[[camera.zone]]\nid = "z"\npolygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]\n')),
        "unknown-key": site.config("unknown-key", plain("broker") + f'\npasword = "{IN_KEY}"\npassword_file = "{IN_KEY}"'),
        "wrong-type": site.config("wrong-type", plain("broker").replace(f'{{ file = "{folder}/broker" }}', f'{{ plain = "{INLINE}" }}')),
        "syntax": site.config("syntax", plain("broker") + f'\nusername = "{INLINE}'),
    }
    for config in mistakes.values():
        for command in ("check", "run") if SHORT else ("check", "doctor", "run"):
            if site.run(command, "--config", config) == 0:
                raise AssertionError(f"{command} takes {config}")
    for name, config in configs.items():
        if name in ("wrong-camera", "tls-unknown") or not SHORT:
            site.run("check", "--all", "--config", config, seconds=120)
        if name in ("right", "tls-broken-key") or not SHORT:
            site.run("doctor", "--config", config, seconds=120)
        if name in ("right", "wrong-broker") or not SHORT:
            site.run("emit-test", "--config", config, seconds=120)
    url = f"rtsp://127.0.0.1:{site.rtsp_port}/a"
    for word in ("camera", "camera-wrong"):
        site.run("probe", url, "--username", "gridwatch", "--password-file", folder / word, "--seconds", "2", level=LEVELS[1])
    site.run("probe", url, "--username", "gridwatch", "--password-env", "SECRET", "--seconds", "2", SECRET=WRONG_CAMERA)
    site.run("probe", f"rtsp://gridwatch:{IN_URL}@127.0.0.1:{site.rtsp_port}/a")
    say("running")
    for name in configs if not SHORT else ("right", "wrong-broker", "tls"):
        site.run("run", "--config", configs[name], seconds=RUN_S, level=LEVELS[name in ("right", "wrong-broker", "tls")], end=signal.SIGTERM)
    site.run("run", "--config", configs["right"], seconds=RUN_S, end=signal.SIGABRT)
    for words in (("list",), ("list", "--state", "quarantined"), ("show", "1"), ("export", "exported"), ("requeue", "1")):
        site.run("outbox", *words, "--config", configs["right"])
    # The broker goes away and comes back with other passwords.
    site.broker.end(signal.SIGKILL)
    site.run("run", "--config", configs["right"], seconds=min(RUN_S, 8), level=LEVELS[1], end=signal.SIGTERM)
    site.broker.start()


def main() -> None:
    """Do everything wrong, and look."""
    if not (SCENES / "index.json").exists():
        skip("canaries: the clips of lab/demo are not drawn")
    folder = Path(tempfile.mkdtemp(prefix="canaries-"))
    site = Site(folder)
    try:
        wait("somebody who looks on", lambda: site.messages is not None)
        wrongs(site)
        # What the program has made for itself is a secret as well.
        own = [key for key in folder.glob("state*/**/*") if key.is_file() and b"PRIVATE KEY" in key.read_bytes()]
        for key in own:
            site.add_key(key)
        places = {f"output of `{command}`": said for command, said in site.said}
        places |= {f"message {number}": message for number, message in enumerate(site.messages)}
        for file in folder.glob("*/**/*"):
            if file.is_file() and file not in own and file.suffix != ".key":
                places[str(file.relative_to(folder))] = file.read_bytes()
        found = [(name, place) for name, secret in site.secrets.items() for form in forms(secret)
                 for place, content in places.items() if form in content]
        logged = sum(len(said) for _, said in site.said)
        loudest = max((said for _, said in site.said), key=len)
        figure(canaries=len(site.secrets), canary_own_keys=len(own), canaries_found=len(found), canary_commands=site.ran, canary_output_kib=logged // 1024,
               canary_messages=len(site.messages))
        for name, place in found[:20]:
            print(f"FOUND: {name} in {place}")
        fail_unless({
            "no secret anywhere": not found, "the logs are as loud as can be": b"TRACE" in loudest or b"trace" in loudest,
            "the right login works": any(b"/state " in message for message in site.messages),
            "a wrong login was tried": any(b"refused the login" in said for _, said in site.said),
            "the search finds what is there": all(any(form in f"x{secret}y".encode("latin-1") for form in forms(secret)) for secret in site.secrets.values()),
        })
    except BaseException:
        for command, said in site.said[-2:]:
            print(command, said[-1500:].decode(errors="replace"), sep="\n")
        raise
    finally:
        site.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
