"""SIGTERM and SIGINT: what is under way finishes, nothing new begins, the exit code is 0."""
import signal
import socket
import time

import grpc
import harness
import pytest

import h2raw
from greeter import Request, decode, encode
from h2raw import ACK, GOAWAY, H2, PING, Closed, frame
from harness import patience, wait_until
from stubs import Feed, Greeter, outcome, texts

SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.fixture
def server(start, placement):
    """A server of this test's own; the test ends it."""
    return start(placement)


def refuses(server):
    """Whether a new connection is refused, or closed without an answer."""
    try:
        with H2(server) as h2:
            h2.works()
    except (OSError, Closed):
        return True
    return False


@pytest.mark.parametrize("number", SIGNALS)
def test_idle(server, number):
    """Without connections the end comes at once."""
    server.signal(number)
    assert server.ends_well() < patience(2)


def test_idle_connections(server):
    """Open connections without calls do not hold the end up."""
    with H2(server) as h2, Greeter(server.target) as greeter:
        h2.works()
        greeter.works()
        server.signal()
        assert h2.ended() == h2raw.NO_ERROR
        server.ends_well()


def test_mute_connection(start):
    """A client that answers no PING and reads nothing holds the end up no longer than the drain limit."""
    server = start("workers")
    with H2(server, ack=False) as mute:
        mute.works()
        server.signal()
        server.ends_well(10 + patience(3))


@pytest.mark.parametrize("number", SIGNALS)
def test_two_goaways(server, number):
    """GOAWAY(2^31-1) with a PING; after its answer GOAWAY with the last stream; the call under way finishes."""
    with H2(server) as h2:
        slow = h2.request(body=encode("slow"))
        h2.works()
        h2.ack = False
        server.signal(number)
        ping = None
        while ping is None:
            arrived = h2.read_frame()
            assert arrived is not None, "no PING"
            ping = arrived if arrived.kind == PING and not arrived.flags & ACK else None
        assert h2.goaways == [(h2raw.MAX_ID, h2raw.NO_ERROR)]
        crossing = h2.request(body=encode("Ada"))  # was on its way when the GOAWAY came
        h2.send(frame(PING, ACK, 0, ping.payload))
        h2.read_until(lambda: len(h2.goaways) == 2, what="the second GOAWAY")
        assert h2.goaways[1] == (crossing, h2raw.NO_ERROR)
        assert decode(h2.response(crossing).data) == ["Hello, Ada"]
        assert refuses(server)
        assert decode(h2.response(slow).data) == ["Hello, slow"]
        assert h2.ended() == h2raw.NO_ERROR
        server.ends_well()


def test_calls_under_way_finish(server):
    """A unary handler at work and streams that their client ends a little later: all end well."""
    with Greeter(server.target) as greeter, Feed() as feed, Feed() as names:
        slow = greeter.sayHello.future(Request(name="slow"), timeout=patience(20))
        bidi, client_stream = greeter.call("biStream", feed), greeter.clientStream.future(names, timeout=patience(20))
        feed.write("Ada")
        names.write("Ada")
        assert next(bidi).message == "Hello, Ada!"
        greeter.works()
        server.signal()
        wait_until(lambda: refuses(server), what="the refusal of new connections")
        feed.write("Grace")
        names.write("Grace")
        assert next(bidi).message == "Hello, Grace!"
        feed.done_writing()
        names.done_writing()
        assert texts(bidi) == [] and bidi.code() is grpc.StatusCode.OK
        assert client_stream.result().message == "Ada Grace "
        assert slow.result().message == "Hello, slow"
    server.ends_well()


def test_second_signal_ends_the_drain(server):
    """A call that would never end is given up at the second signal: UNAVAILABLE, and still exit code 0."""
    with Greeter(server.target) as greeter, Feed() as feed:
        call = greeter.call("biStream", feed, timeout=30)
        feed.write("Ada")
        next(call)
        server.signal()
        wait_until(lambda: refuses(server), what="the refusal of new connections")
        assert server.alive() and call.is_active()
        server.signal()
        assert outcome(call)[0] in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        server.ends_well()


def test_drain_limit(start):
    """A call that does not end is ended after the drain limit of 10 s, with UNAVAILABLE."""
    server = start("workers")
    with H2(server) as h2:
        stream = h2.request("biStream", encode("Ada"), end=False)
        h2.read_until(lambda: h2.streams[stream].data, what="the reply")
        begin = time.monotonic()
        server.signal()
        response = h2.response(stream, 30)
        assert response.status == h2raw.UNAVAILABLE
        assert 9 < time.monotonic() - begin < 10 + patience(2)
        server.ends_well()


def cancelled_with_client(server):
    with Greeter(server.target) as greeter:
        call = greeter.sayHello.future(Request(name="slow"), timeout=patience(10))
        greeter.works()  # the slow call was sent before this one
        call.cancel()
        greeter.works()


def cancelled_by_deadline(server):
    with H2(server) as h2:
        response = h2.call(body=encode("slow"), extra=[("grpc-timeout", "50m")])
        assert response.status == h2raw.DEADLINE_EXCEEDED or response.reset == h2raw.CANCEL


def cancelled_by_reset(server):
    with H2(server) as h2:
        stream = h2.request(body=encode("slow"))
        h2.works()
        h2.send(h2raw.rst_stream(stream))
        h2.works()


def lost_with_its_connection(server):
    with H2(server) as h2:
        h2.request(body=encode("slow"))
        h2.works()


@pytest.mark.parametrize("cancel", [cancelled_with_client, cancelled_by_deadline, cancelled_by_reset, lost_with_its_connection])
def test_cancel_reaches_a_parked_handler(server, cancel):
    """A handler that sleeps for 3 s is ended with its call: so a drain right after it finds nothing to wait for.

    (A sanitizer build is slower, but not by seconds for an empty drain.)
    """
    cancel(server)
    begin = time.monotonic()
    server.signal()
    server.ends_well()
    if harness.build != "tsan":
        assert time.monotonic() - begin < 2


def test_drain_under_load(server):
    """Everything that had reached the server before the signal succeeds: sleeping handlers and half-read streams."""
    with Greeter(server.target) as greeter:
        slow = [greeter.sayHello.future(Request(name="slow"), timeout=patience(20)) for _ in range(20)]
        streams = [greeter.call("biStream", [f"n{number}" for number in range(50)], timeout=20) for _ in range(20)]
        for stream in streams:
            assert next(stream).message == "Hello, n0!"
        quick = [greeter.sayHello.future(Request(name="Ada"), timeout=patience(20)) for _ in range(150)]
        for call in quick:  # sent after the slow ones, on the same connection
            assert call.result().message == "Hello, Ada"
        server.signal()
        assert all(call.result().message == "Hello, slow" for call in slow)
        assert all(len(list(stream)) == 49 for stream in streams)
    server.ends_well()


def test_port_is_free_again(server):
    """A server that has ended leaves its port to the next one, though a connection of it was open to the last."""
    with H2(server) as h2:
        h2.works()
        server.signal()
        h2.ended()
        server.ends_well()

        def bindable():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((server.host, server.port))
                except OSError:
                    return False
                return True
        wait_until(bindable, what="the freeing of the port")


def test_goaway_is_the_last_word(server):
    """Nothing follows the second GOAWAY but what belongs to calls under way, and then the end."""
    with H2(server) as h2:
        h2.works()
        server.signal()
        kinds = []
        try:
            while arrived := h2.read_frame():
                kinds.append(arrived.kind)
        except Closed:
            pass
        assert kinds.count(GOAWAY) == 2 and kinds[-1] == GOAWAY
        assert h2raw.HEADERS not in kinds and h2raw.DATA not in kinds
    server.ends_well()
