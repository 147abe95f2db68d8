"""The command lines: listeners, what is printed, exit codes, and words that help."""
import errno
import os
import re
import socket
import subprocess
import time

import pytest

import harness
from greeter import DATA_SERVICE, SERVICE
from harness import READY, patience, wait_until
from stubs import Greeter


def run(programs, name, *arguments):
    """Runs a program that should end by itself. Returns (exit code, stdout, stderr)."""
    done = subprocess.run([programs / name, *map(str, arguments)], capture_output=True, text=True, timeout=patience(10),
                          env=harness.sanitized_environment())
    assert not harness.REPORTS.search(done.stderr), done.stderr
    return done.returncode, done.stdout, done.stderr


def taken_port():
    """A listening socket: its port is in use."""
    return socket.create_server(("127.0.0.1", 0))


def test_greeter_help(programs):
    code, out, err = run(programs, "greeter-server", "--help")
    assert code == 0 and err == ""
    for word in ("--listen", "--placement", "--reactors", "--workers", "--engine", "--think", "--quiet", "50051", "workers",
                 "inline", "io_uring"):
        assert word in out, word


def test_contract_help(programs):
    code, out, _ = run(programs, "contract-server", "--help")
    assert code == 0 and "--placement" in out and "PORT" in out.upper()


@pytest.mark.parametrize("program", ["greeter-server", "contract-server"])
@pytest.mark.parametrize("flag", ["--lisen", "--no-such-flag", "-z"])
def test_unknown_flag(programs, program, flag):
    """Exit code 2, the flag by its name, and a hint where to look."""
    code, out, err = run(programs, program, *(["50051"] if program == "contract-server" else []), flag)
    assert code == 2 and out == ""
    assert flag in err and "--help" in err


@pytest.mark.parametrize("arguments", [
    ["--placement", "moon"], ["--placement"], ["--reactors", "-1"], ["--reactors", "many"], ["--workers", "1x"],
    ["--listen", "no-scheme"], ["--listen", "tcp://127.0.0.1"], ["--listen", "tcp://127.0.0.1:99999"],
    ["--listen", "http://127.0.0.1:80"], ["--listen", "unix:"], ["--engine", "steam"], ["--think", "soon"], ["surplus"]],
    ids=" ".join)
def test_bad_values(programs, arguments):
    """Exit code 2, naming what was wrong."""
    code, _, err = run(programs, "greeter-server", *arguments)
    assert code == 2, err
    assert arguments[-1] in err


def test_engine_that_is_not_built_yet(programs):
    code, _, err = run(programs, "greeter-server", "--engine", "epoll")
    assert code == 2
    assert "epoll" in err and re.search(r"not built|not yet|io_uring", err)


@pytest.mark.parametrize("arguments", [[], ["port"], ["0x50"], ["70000"], ["-1"], ["50051", "Service", "surplus"],
                                       ["50051", "--placement", "moon"]], ids=lambda words: " ".join(words) or "nothing")
def test_contract_server_bad_arguments(programs, arguments):
    code, out, err = run(programs, "contract-server", *arguments)
    assert code == 2 and out == "" and err


def test_ready_line(greeter):
    """The line is out as soon as connections are accepted, with the real port, engine and numbers."""
    server = greeter("--reactors", "1", "--workers", "1")
    engine, reactors, workers = READY.match(server.output[-1]).groups()
    assert (engine, reactors, workers) == ("io_uring", "1", "1")
    assert server.port != 0
    with Greeter(server.target) as stub:
        stub.works()
    server.stop()


@pytest.mark.parametrize("reactors, workers", [(1, 1), (2, 2), (4, 4)])
@pytest.mark.parametrize("placement", ["workers", "inline"])
def test_numbers_of_threads(greeter, reactors, workers, placement):
    """Any number of threads serves many connections; more threads than CPUs is no error."""
    server = greeter("--reactors", str(reactors), "--workers", str(workers), "--placement", placement)
    stubs = [Greeter(server.target) for _ in range(8)]
    for stub in stubs:
        stub.works()
    for stub in stubs:
        assert stub.ask("biStream", ["a", "b"]) == ["Hello, a!", "Hello, b!"]
        stub.channel.close()
    server.stop()


def test_several_listeners(greeter, tmp_path):
    """Two TCP ports and a Unix socket, each printed as it really is, each in service."""
    path = tmp_path / "greeter.sock"
    server = greeter(listen=["tcp://127.0.0.1:0", "tcp://127.0.0.1:0", f"unix:{path}"])
    assert len(set(server.targets)) == 3 and f"unix:{path}" in server.targets
    for target in server.targets:
        with Greeter(target) as stub:
            stub.works()
            assert stub.ask("biStream", ["Ada"]) == ["Hello, Ada!"]
    server.stop()


def test_ipv6(greeter):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on the loopback here")
    server = greeter(listen=["tcp://[::1]:0"])
    with Greeter(server.target) as stub:
        stub.works()
    server.stop()


def test_host_name(greeter):
    server = greeter(listen=["tcp://localhost:0"])
    with Greeter(server.target) as stub:
        stub.works()
    server.stop()


def refuses(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == errno.ECONNREFUSED


def test_abandoned_unix_socket_is_replaced(greeter, tmp_path):
    path = tmp_path / "greeter.sock"
    for _ in range(2):
        server = greeter(listen=[f"unix:{path}"])
        with Greeter(f"unix:{path}") as stub:
            stub.works()
        server.kill()  # leaves the file behind, and a ring that the kernel takes down a little later
        assert os.path.exists(path)
        wait_until(lambda: refuses(path), what="the end of the killed server's socket")
    server = greeter(listen=[f"unix:{path}"])
    with Greeter(f"unix:{path}") as stub:
        stub.works()
    server.stop()


def test_live_unix_socket_is_not_stolen(programs, greeter, tmp_path):
    path = tmp_path / "greeter.sock"
    server = greeter(listen=[f"unix:{path}"])
    code, _, err = run(programs, "greeter-server", "--listen", f"unix:{path}")
    assert code not in (0, None) and str(path) in err
    with Greeter(f"unix:{path}") as stub:
        stub.works()
    server.stop()


def test_file_in_the_way_of_a_unix_socket(programs, tmp_path):
    """A file that is no socket is not removed."""
    path = tmp_path / "precious"
    path.write_text("data")
    code, _, err = run(programs, "greeter-server", "--listen", f"unix:{path}")
    assert code not in (0, None) and str(path) in err
    assert path.read_text() == "data"


@pytest.mark.parametrize("program", ["greeter-server", "contract-server"])
def test_address_in_use(programs, program):
    """Names the address and the reason."""
    with taken_port() as taken:
        port = taken.getsockname()[1]
        arguments = ["--listen", f"tcp://127.0.0.1:{port}"] if program == "greeter-server" else [port]
        code, out, err = run(programs, program, *arguments)
    assert code not in (0, None) and code > 0
    assert f"127.0.0.1:{port}" in err and "in use" in err.lower()
    assert "ready" not in out and "listening" not in out


def test_second_listener_fails(programs):
    """One address that cannot be had is enough to fail, and the first is let go."""
    with taken_port() as taken:
        port = taken.getsockname()[1]
        code, _, err = run(programs, "greeter-server", "--listen", "tcp://127.0.0.1:0", "--listen", f"tcp://127.0.0.1:{port}")
    assert code > 0 and str(port) in err


def test_address_that_is_not_ours(programs):
    code, _, err = run(programs, "greeter-server", "--listen", "tcp://192.0.2.1:50051")
    assert code > 0 and "192.0.2.1" in err


def test_quiet(greeter):
    """--quiet keeps stderr clean."""
    server = greeter("--quiet")
    with Greeter(server.target) as stub:
        stub.works()
    server.stop()
    assert server.errors() == ""


def test_think(greeter):
    """--think delays the second reply of a bidi call by that many milliseconds, and no other."""
    server = greeter("--think", "300")
    with Greeter(server.target) as stub:
        call = stub.call("biStream", ["a", "b", "c"])
        next(call)
        start = time.monotonic()
        next(call)
        assert 0.25 <= time.monotonic() - start < 0.3 + patience(1)
        assert len(list(call)) == 1
    server.stop()


def test_both_services(greeter):
    server = greeter()
    for service in (SERVICE, DATA_SERVICE):
        with Greeter(server.target, service) as stub:
            stub.works()
    server.stop()


def test_contract_server_under_another_name(start):
    server = start("workers", service="some.other.Name")
    with Greeter(server.target, "some.other.Name") as stub:
        stub.works()
    server.stop()


def test_signals_before_the_first_connection(greeter):
    """A server that is stopped as soon as it is ready, ten times."""
    for _ in range(10):
        greeter().stop()
