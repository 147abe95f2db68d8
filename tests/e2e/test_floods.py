"""Floods of frames on one connection: it is ended with ENHANCE_YOUR_CALM after a bounded number of them, while
another connection goes on as if nothing were.

Every 100 frames the flooding client makes one plain call, which shows that all of them have been taken
in. So the count at the end is exact to 100, and no flood is larger than a few thousand frames.
"""
import threading
import time

import pytest

import h2raw
from greeter import encode
from h2raw import DATA, END_HEADERS, END_STREAM, H2, HEADERS, PING, PRIORITY, Closed, frame
from harness import patience

ADA = encode("Ada")
STEP = 100


class Neighbour(threading.Thread):
    """Plain calls on a connection of its own, one after the other, until it is told to stop."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.h2 = H2(server)
        self.stopping = threading.Event()
        self.calls, self.slowest, self.error = 0, 0.0, None

    def run(self):
        try:
            while not self.stopping.wait(0.002) or self.calls < 5:
                start = time.monotonic()
                self.h2.works()
                self.slowest = max(self.slowest, time.monotonic() - start)
                self.calls += 1
        except BaseException as error:
            self.error = error

    def verdict(self):
        self.stopping.set()
        self.join()
        self.h2.close()
        assert self.error is None, f"the other connection failed: {self.error!r}"
        assert self.slowest < patience(1), f"a call on the other connection took {self.slowest:.3f} s"


@pytest.fixture(autouse=True)
def neighbour(server):
    thread = Neighbour(server)
    thread.start()
    yield
    thread.verdict()


def headers(h2, end=False):
    """A new stream and its HEADERS."""
    stream = h2.open_stream()
    return stream, h2.headers_frame(stream, h2.fields("biStream"), END_HEADERS | (END_STREAM if end else 0))


def rapid_reset(h2, stream):
    new, out = headers(h2)
    return out + h2raw.rst_stream(new)


def reset_of_unary_calls(h2, stream):
    new = h2.open_stream()
    return h2.headers_frame(new, h2.fields()) + h2.data_frames(new, encode("slow"), end=True) + h2raw.rst_stream(new)


def faulty_requests(h2, stream):
    """Requests that the server must reset itself: their fault, so they count as resets (MadeYouReset)."""
    new = h2.open_stream()
    return h2.headers_frame(new, h2.fields(extra=[("Upper", "case")]), END_HEADERS | END_STREAM)


def empty_data(h2, stream):
    return frame(DATA, 0, stream)


def priorities(h2, stream):
    return frame(PRIORITY, 0, stream, bytes([0, 0, 0, 0, 16]))


def unknown_frames(h2, stream):
    return frame(99, 0, 0, b"whatever")


def unknown_frames_on_a_stream(h2, stream):
    return frame(77, 0, stream)


def useless_window_updates(h2, stream):
    return h2raw.window_update(stream, 1)


def useless_window_updates_of_the_connection(h2, stream):
    return h2raw.window_update(0, 1)


def late_data(h2, stream):
    """DATA for a stream that was over long ago."""
    return frame(DATA, 0, 1, b"x")


def settings(h2, stream):
    return h2raw.settings(_4=65535)


def pings(h2, stream):
    return frame(PING, 0, 0, bytes(8))


def flood(h2, make, limit):
    """Sends frames until the server has had enough, `limit` at most. Returns how many it took."""
    h2.works()  # stream 1
    stream = h2.request("biStream", ADA, end=False)
    h2.works()
    count = 0
    try:
        while count < limit:
            h2.send(b"".join(make(h2, stream) for _ in range(STEP)))
            count += STEP
            h2.works()
    except Closed:
        return count
    raise AssertionError(f"{limit} frames, and the connection is still open")


# The flood, the least that must pass, the most that may pass, and the codes with which it may end. Every
# bucket refills while the flood goes on, by 33 a second or 10, which `most` leaves room for.
CALM = {h2raw.ENHANCE_YOUR_CALM}
LATE = CALM | {h2raw.STREAM_CLOSED, h2raw.PROTOCOL_ERROR}
FLOODS = [
    (rapid_reset, 900, 3000, CALM),
    (reset_of_unary_calls, 900, 3000, CALM),
    (faulty_requests, 900, 3000, CALM),
    (empty_data, 900, 3000, CALM),
    (priorities, 900, 3000, CALM),
    (unknown_frames, 900, 3000, CALM),
    (unknown_frames_on_a_stream, 900, 3000, CALM),
    (useless_window_updates, 900, 3000, CALM),
    (useless_window_updates_of_the_connection, 900, 3000, CALM),
    (late_data, 0, 3000, LATE),
    (settings, 90, 600, CALM),
    (pings, 90, 600, CALM),
]


@pytest.mark.parametrize("make, least, most, codes", FLOODS, ids=[entry[0].__name__ for entry in FLOODS])
def test_flood(server, make, least, most, codes):
    with H2(server) as h2:
        count = flood(h2, make, most)
        assert count >= least, f"ended after {count} frames already"
        assert h2.goaways and h2.goaways[-1][1] in codes, h2.goaways
        assert h2.ended() in codes


@pytest.mark.parametrize("make", [rapid_reset, empty_data, pings, settings], ids=lambda make: make.__name__)
def test_flood_without_reading(server, make):
    """The same from a client that reads no answer: it ends too, and what is queued for it stays small."""
    before = server.rss()
    with H2(server, receive_buffer=4096) as h2:
        stream = h2.request("biStream", ADA, end=False)
        with pytest.raises(Closed):
            for _ in range(200):
                h2.send(b"".join(make(h2, stream) for _ in range(STEP)))
                time.sleep(0.005)
    assert server.rss() - before < patience(16) * 2**20


def test_continuation_flood(server):
    """A header block without an end: closed after a few frames."""
    with H2(server) as h2:
        h2.works()
        stream = h2.open_stream()
        try:
            h2.frame(HEADERS, 0, stream, b"\x83")
            for _ in range(2000):
                h2.frame(h2raw.CONTINUATION, 0, stream)
        except Closed:
            pass
        h2.ended()


def test_honest_busy_client(server):
    """Thousands of calls, messages and needed window updates, a few cancels and pings: no flood at all."""
    with H2(server) as h2:
        for number in range(300):
            assert h2.call(body=ADA).status == h2raw.OK
            if number % 10 == 0:
                cancelled = h2.request("serverStream", encode("count:100000"))
                h2.read_until(lambda: h2.streams[cancelled].data, what="a reply")
                h2.send(h2raw.rst_stream(cancelled))
            if number % 20 == 0:
                h2.frame(PING, 0, 0, bytes(8))
        stream = h2.request("serverStream", encode("count:200000"))
        assert h2.response(stream, 30).status == h2raw.OK
        h2.works()
        assert not h2.goaways
