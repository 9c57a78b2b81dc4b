"""A real mosquitto and a real PostgreSQL in temporary folders, on free ports of the loopback."""

import atexit
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

PATIENCE_S = 60.0


def wait(what: str, found: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """What `found` finds, as soon as it is true."""
    ends = time.monotonic() + patience_s
    while True:
        value = found()
        if value:
            return value
        if time.monotonic() > ends:
            raise AssertionError(f"no {what} within {patience_s:g} s")
        time.sleep(0.05)


def free_port() -> int:
    """One that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class _Server:
    """A process in a temporary folder that goes with it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="consumer-test-"))
        self.port = free_port()
        self.process: subprocess.Popen | None = None
        atexit.register(self.remove)

    def end(self, how: signal.Signals) -> None:
        """Sends the signal and waits."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=PATIENCE_S)
            self.process = None

    def remove(self) -> None:
        """For good."""
        with contextlib.suppress(Exception):
            self.end(signal.SIGKILL if not isinstance(self, Postgres) else signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


class Broker(_Server):
    """mosquitto; sessions survive an orderly stop. `extra`: more lines of its configuration."""

    def __init__(self, extra: str = "", anonymous: bool = True) -> None:
        super().__init__()
        program = "/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else "mosquitto"
        user = pwd.getpwuid(os.getuid()).pw_name
        configuration = (
            f"user {user}\nlistener {self.port} 127.0.0.1\nallow_anonymous {str(anonymous).lower()}\n"
            f"persistence true\npersistence_location {self.folder}/\n{extra}"
        )
        (self.folder / "mosquitto.conf").write_text(configuration, encoding="utf-8")
        self._command = [program, "-c", str(self.folder / "mosquitto.conf")]
        self.start()

    def start(self) -> None:
        """Also again after `end`."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait("mosquitto that listens", lambda: listens(self.port))


class Postgres(_Server):
    """A cluster of its own, run by an unprivileged user. It does not sync: nobody cuts its power."""

    def __init__(self) -> None:
        super().__init__()
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
        initdb = shutil.which("initdb")
        self._bin = found[-1] if found else Path(initdb).parent if initdb else None
        if self._bin is None:
            raise AssertionError("PostgreSQL is not installed (apt install postgresql)")
        self._user = {}
        if os.getuid() == 0:
            self._user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self.folder, "postgres", "postgres")
        self._data = self.folder / "data"
        initdb = [self._bin / "initdb", "-D", self._data, "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self._user)
        self.start()

    def start(self) -> None:
        """Also again after `end`."""
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder,
                    "fsync": "off", "full_page_writes": "off", "max_connections": 40, "shared_buffers": "16MB"}
        command = [self._bin / "postgres", "-D", self._data, *(f"--{key}={value}" for key, value in settings.items())]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **self._user)
        wait("PostgreSQL that answers", self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.Error), self.connect("postgres"):
            return True
        return False

    def dsn(self, database: str) -> str:
        """Of one database."""
        return f"host=127.0.0.1 port={self.port} user=tester dbname={database}"

    def connect(self, database: str) -> psycopg.Connection:
        """A connection on which every statement is a transaction."""
        connection = psycopg.connect(self.dsn(database), autocommit=True, connect_timeout=5)
        connection.execute("SET search_path = gridwatch")
        return connection
