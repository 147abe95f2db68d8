"""Slow and silent peers: they stop their own handler and nothing else, and cost bounded memory.

The memory tests start servers of their own, with a small quarantine of freed memory under ASan, which
would otherwise be all that they measure.
"""
import signal
import subprocess
import sys
import time

import harness
import pytest

import h2raw
from greeter import decode, encode, expected
from h2raw import H2, Closed
from harness import patience, wait_until
from stubs import Greeter, outcome, texts

PLACEMENTS = ("workers", "inline")
ADA = encode("Ada")
ENDLESS = encode("count:5000000")
GROWTH = {"plain": 16, "asan": 16, "tsan": 64}  # MiB; TSan keeps shadows of all memory that was ever touched


@pytest.fixture
def own(start, placement):
    """A server of this test's own, that has served a little, and its memory so far."""
    server = start(placement, environment={"ASAN_OPTIONS": "quarantine_size_mb=1:thread_local_quarantine_size_kb=64"})
    with Greeter(server.target) as greeter:
        for _ in range(20):
            greeter.works()
        assert len(list(greeter.call("serverStream", ["count:2000"]))) == 2000
    server.before = server.rss()
    yield server
    server.stop()


def assert_bounded(server):
    """The memory has not grown by more than a little since the fixture."""
    grown = (server.rss() - server.before) / 2**20
    assert grown < GROWTH[harness.build], f"{grown:.1f} MiB more than before"


def quick_calls(works, count=50):
    """Calls that must not feel the slow stream beside them."""
    for _ in range(count):
        start = time.monotonic()
        works()
        assert time.monotonic() - start < patience(0.5)


def assert_counts(body):
    """A body of replies (maybe cut at its end) that counts 0, 1, 2, ... Returns how far."""
    at, count = 0, 0
    while at + 5 <= len(body) and at + 5 + int.from_bytes(body[at + 1:at + 5], "big") <= len(body):
        following = at + 5 + int.from_bytes(body[at + 1:at + 5], "big")
        assert decode(body[at:following]) == [str(count)]
        at, count = following, count + 1
    return count


def test_reader_with_a_shut_window(own):
    """The stream's window stays shut: its handler parks after the high mark, on the same connection all else flows."""
    with H2(own, window=65535, credit=False) as h2, H2(own) as other:
        stream = h2.request("serverStream", ENDLESS)
        h2.read_until(lambda: len(h2.streams[stream].data) >= 65535, what="the first window")
        quick_calls(h2.works)
        quick_calls(other.works)
        assert_bounded(own)
        assert len(h2.streams[stream].data) == 65535, "more than the window allows"
        for _ in range(20):  # and when the reader comes back, the count goes on where it was
            h2.send(h2raw.window_update(stream, 65535))
            size = len(h2.streams[stream].data)
            h2.read_until(lambda: len(h2.streams[stream].data) >= size + 65535, what="more")
        assert assert_counts(h2.streams[stream].data) > 100000
        h2.send(h2raw.rst_stream(stream))
        h2.works()
        assert_bounded(own)


def test_many_readers_with_shut_windows(own):
    """200 streams whose windows are shut from the start; then each is let go in turn."""
    with H2(own, window=0, credit=False) as h2, H2(own) as other:
        streams = [h2.request("serverStream", ENDLESS) for _ in range(200)]
        quick_calls(other.works)
        # 200 x the high mark of 64 KiB is what they may hold, and a few times that before it is packed
        grown = (own.rss() - own.before) / 2**20
        assert grown < 4 * GROWTH[harness.build], f"{grown:.1f} MiB for 200 parked streams"
        for stream in streams:
            h2.send(h2raw.window_update(stream, 1000))
        h2.read_until(lambda: all(len(h2.streams[stream].data) == 1000 for stream in streams), 20, "1,000 bytes each")
        for stream in streams:
            assert assert_counts(h2.streams[stream].data) > 50
            h2.send(h2raw.rst_stream(stream))
        quick_calls(other.works)


def test_reader_of_nothing(own):
    """The client does not even read its socket, though every window is open."""
    with H2(own, window=h2raw.MAX_ID, connection_window=2**30, receive_buffer=65536) as h2, H2(own) as other:
        for _ in range(10):
            h2.request("serverStream", ENDLESS)
        end = time.monotonic() + patience(0.5)
        while time.monotonic() < end:
            quick_calls(other.works, 10)
        assert_bounded(own)
        h2.read_until(lambda: len(h2.streams[1].data) > 100000, 20, "the count")
        assert assert_counts(h2.streams[1].data) > 5000


def test_connection_window_shut(own):
    """The window of the connection is shut; other connections do not care."""
    with H2(own, connection_window=65535, credit=False) as h2, H2(own) as other:
        streams = [h2.request("serverStream", ENDLESS) for _ in range(50)]
        h2.read_until(lambda: sum(len(h2.streams[stream].data) for stream in streams) >= 65535, what="the first window")
        quick_calls(other.works)
        grown = (own.rss() - own.before) / 2**20
        assert grown < 2 * GROWTH[harness.build], f"{grown:.1f} MiB for 50 parked streams"


HELLO = encode("Hello, Ada!")  # biStream's reply to ADA, as it is on the wire
ENDS = {"the request's end": (b"", 0, ""), "a failure": (encode("fail"), h2raw.ABORTED, "stop")}


def assert_trailers(h2, response, status, message=""):
    """The status has come although no window is open, and once; the connection goes on."""
    assert response.frames[-1] == h2raw.HEADERS and response.reset in (None, h2raw.NO_ERROR)
    assert (response.status, response.message) == (status, message)
    frames = len(response.frames)
    h2.send(h2raw.window_update(0, 2**20))
    h2.works()
    assert len(response.frames) == frames


@pytest.mark.parametrize("last, status, message", ENDS.values(), ids=ENDS)
def test_status_without_a_window(server, last, status, message):
    """Trailers need no window: here there was none from the start, and the headers are out."""
    with H2(server, window=0, credit=False) as h2:
        stream = h2.request("biStream", encode("headers"), end=False)
        h2.read_until(lambda: h2.streams[stream].headers, what="the headers")
        h2.data(stream, last, end=True)
        response = h2.response(stream, 2)
        assert response.frames == [h2raw.HEADERS, h2raw.HEADERS]
        h2.send(h2raw.window_update(stream, 1000) + h2raw.settings(_4=65535))
        assert_trailers(h2, response, status, message)


@pytest.mark.parametrize("last, status, message", ENDS.values(), ids=ENDS)
def test_status_behind_a_window_that_is_just_used_up(server, last, status, message):
    with H2(server, window=len(HELLO), credit=False) as h2:
        stream = h2.request("biStream", ADA, end=False)
        h2.read_until(lambda: h2.streams[stream].data == HELLO, what="the reply")
        h2.data(stream, last, end=True)
        response = h2.response(stream, 2)
        h2.send(h2raw.settings(_4=65535))
        assert_trailers(h2, response, status, message)


@pytest.mark.parametrize("last, status, message", ENDS.values(), ids=ENDS)
def test_status_behind_the_connections_window(server, last, status, message):
    """The same when it is the connection's window that the last message used up."""
    with H2(server, window=2**20, connection_window=65535, credit=False) as h2:
        stream = h2.request("biStream", ADA, end=False)
        h2.read_until(lambda: h2.streams[stream].data == HELLO, what="the reply")
        rest = 65535 - len(HELLO)
        filler = h2.request("sayHello", encode(f"big:{rest}"))  # a little too long, so it waits
        h2.read_until(lambda: len(h2.streams[filler].data) == rest, what="what fits")
        h2.data(stream, last, end=True)
        assert_trailers(h2, h2.response(stream, 2), status, message)
        assert h2.response(filler).status == h2raw.OK


def test_headers_and_status_at_once_without_a_window(server):
    """The handler has returned before anything was sent."""
    with H2(server, window=0, credit=False) as h2:
        stream = h2.request("biStream", encode("headers", "fail"))
        response = h2.response(stream, 2)
        assert response.headers["x-tri-early"] == "1" and "grpc-status" not in response.headers
        h2.send(h2raw.settings(_4=65535))
        assert_trailers(h2, response, h2raw.ABORTED, "stop")


def test_status_once_when_the_window_opens_later(server):
    """Dubbo-Python's stream stays open until the peer ends it; its body is not asked for any more."""
    with H2(server, window=len(HELLO), credit=False) as h2:
        stream = h2.request("biStream", encode("Ada", "fail"), end=False, content_type="application/grpc+data")
        response = h2.response(stream, 2)
        h2.send(h2raw.window_update(stream, 1000) + h2raw.settings(_4=65535))
        assert_trailers(h2, response, h2raw.ABORTED, "stop")
        h2.data(stream, b"", end=True)
        assert_trailers(h2, response, h2raw.ABORTED, "stop")


def test_deadline_behind_a_window_that_is_used_up(server):
    """With nothing left to send, the deadline ends the call with its status, not with a reset."""
    with H2(server, window=len(HELLO), credit=False) as h2:
        stream = h2.request("biStream", ADA, end=False, extra=[("grpc-timeout", "300m")])
        response = h2.response(stream)
        assert response.data == HELLO
        h2.send(h2raw.settings(_4=65535))
        assert_trailers(h2, response, h2raw.DEADLINE_EXCEEDED, response.message)


def test_writer_against_a_parked_handler(own):
    """A bidi handler that waits for its reader takes no requests, so its writer runs out of credit: within
    about one window. Then the reader reads, and all replies come, in order."""
    with H2(own, window=1000, credit=False) as h2:
        h2.read_until(lambda: h2raw.INITIAL_WINDOW in h2.settings, what="SETTINGS")
        window = h2.settings[h2raw.INITIAL_WINDOW]
        names = [f"{number:05}" * 200 for number in range(4000)]  # 4 MB
        body = encode(*names)
        stream = h2.request("biStream", b"", end=False)
        credit, sent, quiet = window, 0, 0

        def write():
            nonlocal credit, sent
            size = min(credit, len(body) - sent)
            h2.data(stream, body[sent:sent + size], end=sent + size == len(body))
            credit, sent = credit - size, sent + size

        def take(frame):
            nonlocal credit
            if frame and frame.kind == h2raw.WINDOW_UPDATE and frame.stream == stream:
                credit += frame.number()

        while quiet < 20:  # until nothing has moved for a while
            if credit and sent < len(body):
                write()
            frame = h2.read_frame(0.02)
            take(frame)
            quiet = 0 if frame else quiet + 1
        assert sent < window + 2**20, "a handler that is parked was given more and more requests"
        assert_bounded(own)
        response = h2.streams[stream]
        h2.credit = True
        h2.send(h2raw.window_update(stream, 2**24))
        while not response.ended:
            if credit and sent < len(body):
                write()
            take(h2.read_frame())
        assert response.status == h2raw.OK
        assert decode(response.data) == expected("biStream", names)


@pytest.mark.parametrize("kind, names", [("serverStream", ["count:5000000"]), ("biStream", ["x" * 30000] * 2000)])
def test_slow_stream_of_a_good_client(own, kind, names):
    """grpcio reads a few replies and pauses; a hundred calls on the same channel and on another are quick."""
    with Greeter(own.target) as greeter, Greeter(own.target) as other:
        call = greeter.call(kind, names, timeout=60)
        first = [next(call).message for _ in range(10)]
        quick_calls(greeter.works, 100)
        quick_calls(other.works, 100)
        assert_bounded(own)
        first += [next(call).message for _ in range(10)]
        assert first == (expected(kind, names)[:20] if kind == "biStream" else [str(number) for number in range(20)])
        call.cancel()
        outcome(call)


CLIENT = """
import sys
from stubs import Greeter
with Greeter(sys.argv[1]) as greeter:
    calls = [greeter.call("serverStream", ["count:5000000"], timeout=100) for _ in range(20)]
    for call in calls:
        next(call)
    print("started", flush=True)
    for reply in calls[0]:
        pass
"""


def test_client_killed_in_mid_stream(own):
    """kill -9 of a client with 20 streams under way: no call, no descriptor is left, twice over."""
    with Greeter(own.target) as greeter:
        greeter.works()
        before = own.descriptors()
        for _ in range(2):
            child = subprocess.Popen([sys.executable, "-c", CLIENT, own.target], stdout=subprocess.PIPE,
                                     cwd=harness.Path(__file__).parent)
            try:
                assert child.stdout.readline() == b"started\n"
            finally:
                child.send_signal(signal.SIGKILL)
                child.wait()
            wait_until(lambda: own.descriptors() <= before, what="the end of the client's connection")
            greeter.works()
        assert_bounded(own)


def test_connections_reset_in_mid_stream(own):
    """100 clients that break off without a word, at any moment of a bidi call."""
    with H2(own) as other:
        other.works()
        before = own.descriptors()
        for number in range(100):
            with H2(own) as h2:
                stream = h2.request("biStream", encode("Ada") * 50, end=False)
                if number % 3:
                    try:
                        h2.read_until(lambda: h2.streams[stream].data, what="a reply")
                    except Closed as error:
                        raise AssertionError("the server has closed the connection") from error
        wait_until(lambda: own.descriptors() <= before, what="the number of descriptors from before")
        other.works()
        assert_bounded(own)


def test_large_messages_leave_nothing(own):
    """Rounds of eight messages of 4 MiB, four at a time: after the first rounds the memory stays what it is."""
    name = "x" * (4 * 1024 * 1024 - 100)

    def rounds(count):
        for _ in range(count):
            calls = [greeter.call("biStream", [name] * 2, timeout=60) for _ in range(4)]
            assert [[len(text) for text in texts(call)] for call in calls] == [[len(name) + 8] * 2] * 4
        return own.rss()

    with Greeter(own.target) as greeter:
        before = rounds(2)  # the allocator's own stock is full now
        grown = (rounds(4) - before) / 2**20  # 128 MiB of requests
        assert grown < 64, f"{grown:.1f} MiB more than before"


@pytest.mark.parametrize("sizes", [(300_000, 800_000), (500_000, 900_000), (100, 2_000_000), (2_000_000, 700_000)], ids=str)
def test_message_that_needs_the_window_of_the_one_before(server, sizes):
    """The credit of a taken message goes back before the next one, however large, has to wait for it."""
    names = ["x" * size for size in sizes]
    with Greeter(server.target) as greeter:
        assert texts(greeter.call("biStream", names)) == expected("biStream", names)
