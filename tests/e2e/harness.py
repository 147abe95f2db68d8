"""Starts the server programs, watches them, and holds them to a clean end."""
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

REPORTS = re.compile(r"Sanitizer|runtime error:|Assertion .* failed|stack overflow")

# How much longer than on a plain build things may take under a sanitizer.
SLOWNESS = {"plain": 1, "asan": 4, "tsan": 10}

# The drain limit of the servers is 10 s: a server that ends sooner had no call left behind.
DRAINED = {"plain": 4, "asan": 6, "tsan": 9}

build = "plain"  # of the programs under test; conftest.py sets it


def sanitizer_of(program):
    """Which sanitizer a program was built with, from the names in the file."""
    content = Path(program).read_bytes()
    if b"__tsan_init" in content:
        return "tsan"
    return "asan" if b"__asan_init" in content else "plain"


def patience(seconds):
    """A time limit for this build: `seconds` is generous for a plain one."""
    return seconds * SLOWNESS[build]


def wait_until(condition, seconds=5.0, what="the condition"):
    """Polls until the condition holds and returns its value; fails after patience(seconds)."""
    end = time.monotonic() + patience(seconds)
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come true within {patience(seconds)} s"
        time.sleep(0.005)
    return value


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A program with its output collected, which must end well.

    stdout is taken line by line (`line`), stderr as a whole (`errors`).
    """

    def __init__(self, command, environment=None):
        self.command = [str(word) for word in command]
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        self.process = subprocess.Popen(
            guard + self.command, env=sanitized_environment(environment), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines = queue.Queue()
        self.stderr = []
        self.readers = [threading.Thread(target=self._read_stdout, daemon=True),
                        threading.Thread(target=self._read_stderr, daemon=True)]
        for reader in self.readers:
            reader.start()

    def _read_stdout(self):
        for line in self.process.stdout:
            self.lines.put(line.decode(errors="replace").rstrip("\n"))
        self.lines.put(None)

    def _read_stderr(self):
        for line in self.process.stderr:
            self.stderr.append(line.decode(errors="replace"))

    @property
    def pid(self):
        return self.process.pid

    def errors(self):
        """What the program has written to stderr."""
        return "".join(self.stderr)

    def line(self, seconds=10.0):
        """The next line of stdout, or None when it is closed or too late."""
        try:
            return self.lines.get(timeout=patience(seconds))
        except queue.Empty:
            return None

    def signal(self, number=signal.SIGTERM):
        """Sends a signal without waiting."""
        self.process.send_signal(number)

    def wait(self, seconds):
        """Waits for the end. Returns the exit code and the seconds it took; fails when it takes too long."""
        start = time.monotonic()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            stacks = thread_states(self.pid)
            self.kill()
            raise AssertionError(f"{self.command[0]} did not end within {seconds} s\n{stacks}\n{self.errors()}") from None
        for reader in self.readers:
            reader.join(5)
        return code, time.monotonic() - start

    def kill(self):
        """Ends the program at once, whatever it does. Harmless when it has ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def ends_well(self, seconds=None):
        """The program must end by itself: exit code 0, nothing from a sanitizer. Returns the seconds it took."""
        code, took = self.wait(DRAINED[build] if seconds is None else seconds)
        assert code == 0, f"{self.command} ended with {code}\n{self.errors()}"
        assert not REPORTS.search(self.errors()), self.errors()
        return took

    def stop(self, seconds=None):
        """SIGTERM, then as `ends_well`. So quick an end means that no call was left behind."""
        assert self.process.poll() is None, f"{self.command} has died: {self.process.returncode}\n{self.errors()}"
        self.signal(signal.SIGTERM)
        return self.ends_well(seconds)

    def alive(self):
        """Whether it still runs."""
        return self.process.poll() is None

    def rss(self):
        """Resident memory in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

    def descriptors(self):
        """How many file descriptors it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def sanitized_environment(extra=None):
    """The environment of a program under test: leaks are errors, and a report must show in the exit code."""
    environment = dict(os.environ)
    environment.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=99")
    environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    environment.setdefault("TSAN_OPTIONS", "halt_on_error=0:exitcode=66")
    for key, value in (extra or {}).items():
        environment[key] = f"{environment[key]}:{value}" if key in environment else value
    return environment


def thread_states(pid):
    """One line for each thread of a process: name, state and where it waits in the kernel."""
    lines = []
    for task in sorted(Path(f"/proc/{pid}/task").glob("*")):
        try:
            status = (task / "stat").read_text()
            lines.append(f"thread {task.name}: {status[status.index('('):status.rindex(')') + 3]} "
                         f"{(task / 'wchan').read_text()}")
        except OSError:
            continue
    return "\n".join(lines)


class ContractServer(Process):
    """contract-server on a free port of 127.0.0.1, ready."""

    def __init__(self, directory, placement="workers", service=None, environment=None):
        self.host = "127.0.0.1"
        for _ in range(10):  # another program may take the port between our look and the server's bind
            self.port = free_port()
            command = [Path(directory) / "contract-server", self.port] + ([service] if service else [])
            super().__init__(command + ["--placement", placement], environment)
            line = self.line(20)
            if line == "ready":
                break
            self.wait(patience(5))
            assert "in use" in self.errors().lower(), f"no 'ready' but {line!r}; stderr:\n{self.errors()}"
        else:
            raise AssertionError("no free port in ten attempts")
        self.target = f"{self.host}:{self.port}"


LISTENING = re.compile(r"(tcp://[^\s,()]+|unix:[^\s,()]+)")
READY = re.compile(r"^greeter: listening on .*\((\w+), (\d+) reactors?, (\d+) workers?\)$")


class GreeterServer(Process):
    """greeter-server, on a free port of 127.0.0.1 unless told otherwise, ready.

    `addresses` are those that it prints, in its order.
    """

    def __init__(self, directory, *arguments, listen=("tcp://127.0.0.1:0",), environment=None):
        command = [Path(directory) / "greeter-server"]
        for address in listen:
            command += ["--listen", address]
        super().__init__(command + list(arguments), environment)
        self.addresses = []
        self.output = []
        while len(self.addresses) < len(listen):
            line = self.line(20)
            if line is None:
                self.kill()
                raise AssertionError(f"{self.command} did not say that it listens: {self.output}\n{self.errors()}")
            self.output.append(line)
            if READY.match(line):
                self.addresses += LISTENING.findall(line)
        self.targets = [address.replace("tcp://", "") for address in self.addresses]
        self.target = self.targets[0]
        if self.target.startswith("127."):
            self.host, port = self.target.rsplit(":", 1)
            self.port = int(port)
