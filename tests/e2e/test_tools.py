"""nghttp2's own clients: h2load counts every call and byte, nghttp shows headers and trailers."""
import re
import subprocess

import pytest

from greeter import SERVICE, encode, expected, frame, path, Reply
from harness import patience

HEADERS = ["-H", "content-type: application/grpc", "-H", "te: trailers"]


@pytest.fixture
def body(tmp_path):
    """Writes requests into a file, framed."""
    def write(*names):
        file = tmp_path / "body"
        file.write_bytes(encode(*names))
        return file
    return write


def replies_size(kind, names):
    """How many bytes of DATA the replies take."""
    return sum(len(frame(Reply(message=text).SerializeToString())) for text in expected(kind, names))


def h2load(program, server, kind, body, *options):
    """Runs h2load. Returns its numbers: succeeded, failed, errored, timeout and the bytes of DATA."""
    url = f"http://{server.target}{path(kind, SERVICE)}"
    done = subprocess.run([program, *HEADERS, "-d", str(body), *options, url], capture_output=True, text=True,
                          timeout=patience(60))
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = {word: int(number) for number, word in
               re.findall(r"(\d+) (succeeded|failed|errored|timeout)", done.stdout)}
    numbers["data"] = int(re.search(r"\((\d+)\) data$", done.stdout, re.MULTILINE).group(1))
    return numbers


@pytest.mark.parametrize("connections, streams", [(1, 1), (1, 100), (10, 10), (100, 2)])
def test_10000_unary_calls(server, tool, body, connections, streams):
    """Every call succeeds and every byte is there."""
    numbers = h2load(tool("h2load", "nghttp2-client"), server, "sayHello", body("Ada"), "-n", "10000",
                     "-c", str(connections), "-m", str(streams))
    assert numbers == {"succeeded": 10000, "failed": 0, "errored": 0, "timeout": 0,
                       "data": 10000 * replies_size("sayHello", ["Ada"])}


@pytest.mark.parametrize("kind, names", [
    ("clientStream", ["Ada", "", "Grace"]), ("serverStream", ["one two three four"]), ("biStream", ["Ada", "", "Grace"])])
def test_streams(server, tool, body, kind, names):
    numbers = h2load(tool("h2load", "nghttp2-client"), server, kind, body(*names), "-n", "2000", "-c", "4", "-m", "50")
    assert numbers == {"succeeded": 2000, "failed": 0, "errored": 0, "timeout": 0, "data": 2000 * replies_size(kind, names)}


def test_small_windows(server, tool, body):
    """Windows of 1 KiB for streams and 64 KiB for connections: replies of 20 KB come in pieces, but they come."""
    names = ["x" * 20000]
    numbers = h2load(tool("h2load", "nghttp2-client"), server, "sayHello", body(*names), "-n", "300", "-c", "4", "-m", "20",
                     "-w", "10", "-W", "16")
    assert numbers["succeeded"] == 300
    assert numbers["data"] == 300 * replies_size("sayHello", names)


def nghttp(program, server, kind, body):
    """Runs nghttp -v. Returns its output."""
    url = f"http://{server.target}{path(kind, SERVICE)}"
    done = subprocess.run([program, "-v", "--no-dep", *HEADERS, "-d", str(body), url], capture_output=True,
                          timeout=patience(20))
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(errors="replace")


@pytest.mark.parametrize("kind", ["sayHello", "clientStream", "serverStream", "biStream"])
def test_nghttp_shows_ok(server, tool, body, kind):
    out = nghttp(tool("nghttp", "nghttp2-client"), server, kind, body("Ada"))
    for line in (":status: 200", "content-type: application/grpc", "grpc-status: 0"):
        assert line in out, out


def test_nghttp_shows_an_error(server, tool, body):
    out = nghttp(tool("nghttp", "nghttp2-client"), server, "sayHello", body("fail"))
    for line in (":status: 200", "grpc-status: 3", "grpc-message: bad name: 100%25 n%C3%A9"):
        assert line in out, out


def test_nghttp_sees_the_windows(server, tool, body):
    """The first write announces the windows and the limit of streams."""
    out = nghttp(tool("nghttp", "nghttp2-client"), server, "sayHello", body("Ada"))
    assert "SETTINGS_INITIAL_WINDOW_SIZE(0x04):1048576" in out
    assert "SETTINGS_MAX_CONCURRENT_STREAMS(0x03):256" in out
