"""A service manager as strict as the unit's systemd, and a way to freeze one thread of a program that has no hook for it."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

# systemd/gridwatch.service; tests/integration/unit_file.rs holds it to them.
WATCHDOG_S = 60.0
RESTART_S = 5.0

_PTRACE_SEIZE, _PTRACE_DETACH, _PTRACE_INTERRUPT = 0x4206, 17, 0x4207
_WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request: int, thread: int) -> None:
    if _libc.ptrace(request, thread, None, None) == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace {request:#x} of thread {thread}: {os.strerror(error)}")


class Frozen:
    """One thread that stands still while the rest of its process goes on. Only the thread that made this may use it."""

    def __init__(self, thread: int) -> None:
        self.thread = thread
        _ptrace(_PTRACE_SEIZE, thread)
        _ptrace(_PTRACE_INTERRUPT, thread)
        os.waitpid(thread, _WALL)

    def thaw(self) -> None:
        """Lets it go on."""
        _ptrace(_PTRACE_DETACH, self.thread)

    def bury(self) -> None:
        """After the end of the process: its parent waits for threads that nobody has asked for."""
        try:
            os.waitpid(self.thread, _WALL)
        except ChildProcessError:
            pass


def threads(pid: int) -> dict[int, str]:
    """The names of a process's threads."""
    found = {}
    for entry in Path(f"/proc/{pid}/task").iterdir():
        try:
            found[int(entry.name)] = (entry / "comm").read_text().strip()
        except OSError:
            pass
    return found


def is_computing(pid: int, thread: int) -> bool:
    """Whether a stopped thread was stopped in its own code, and not while it waited for something."""
    return Path(f"/proc/{pid}/task/{thread}/syscall").read_text().split()[0] in ("-1", "running")


class Manager:
    """Starts a program and watches it: restarts it when it ends, and when its ping does not come."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._command, self._log = command, folder / "log"
        path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._environment = {
            **os.environ, **environment, "NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
        }
        self._environment.pop("JOURNAL_STREAM", None)
        self.restarts: list[str] = []
        self.frozen: list[Frozen] = []
        self.pings = 0
        self.longest_gap_s = 0.0
        self.status = ""
        self._start()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        self.started_at = time.monotonic()
        self.ready_at: float | None = None
        self._ping_at = self.started_at

    def log(self) -> str:
        """Everything that was logged."""
        return self._log.read_text(errors="replace")

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Keeps watch; whether `until` came true in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._listen()
            self._judge()
            if until():
                return True
        return False

    def _listen(self) -> None:
        self._socket.settimeout(0.1)
        try:
            notice = self._socket.recv(4096).decode()
        except TimeoutError:
            return
        now = time.monotonic()
        for line in notice.splitlines():
            if line == "READY=1":
                self.ready_at = self._ping_at = now
            elif line == "WATCHDOG=1":
                self.pings += 1
                self.longest_gap_s = max(self.longest_gap_s, now - self._ping_at)
                self._ping_at = now
            elif line == "WATCHDOG=trigger":
                self._restart("asked")
            elif line.startswith("STATUS="):
                self.status = line.removeprefix("STATUS=")

    def _judge(self) -> None:
        if self.process.poll() is not None:
            self._restart(f"ended with {self.process.returncode}")
        elif self.ready_at is not None and time.monotonic() - self._ping_at > WATCHDOG_S:
            self._restart("no ping")

    def _restart(self, why: str) -> None:
        self.restarts.append(why)
        self.end(signal.SIGABRT)
        time.sleep(RESTART_S)
        self._start()

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Ends the program."""
        self.process.send_signal(how)
        for frozen in self.frozen:
            frozen.bury()
        self.frozen.clear()
        self.process.wait(60)
