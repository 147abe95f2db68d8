"""Each kind of call in each situation that a call can meet, with grpcio, on both placements.

The eleven situations: ok, handler error, cancel by the client, deadline, half-close, slow reader, slow
writer, message too large, connection lost half-way, empty message, 4 MiB message. After each of them
the same connection must still serve (or a new one, where the test has cut it), and at the end of the
file the server must drain at once: so no situation leaves a call behind.

Handlers of all kinds must be able to fail, so these tests ask for a little more than the contract:
clientStream and serverStream, too, end with ABORTED and the message `stop` when the name is `fail`,
clientStream as soon as that name arrives.
"""
import time

import grpc
import pytest

from greeter import KINDS, Request, expected
from harness import patience
from stubs import Feed, Greeter, Proxy, outcome, texts

LIMIT = 4 * 1024 * 1024  # of a request message, as it is on the wire
SMALL_WINDOW = [("grpc.http2.lookahead_bytes", 16384), ("grpc.http2.bdp_probe", 0)]

kinds = pytest.mark.parametrize("kind", KINDS)

# A request after which the call stays open: the handler works, waits for more, or waits for the reader.
ENDLESS = {"sayHello": "slow", "clientStream": "Ada", "serverStream": "count:5000000", "biStream": "Ada"}


@pytest.fixture
def greeter(server):
    """A channel to the server of this file, which must still be of use after the test."""
    with Greeter(server.target) as stub:
        yield stub
        stub.works()


def names_for(kind, names):
    """Several names where requests stream, else all of them in one request."""
    return list(names) if KINDS[kind][0] else [" ".join(names)]


def name_of_size(size):
    """A name whose request takes exactly `size` bytes on the wire."""
    length = size - 1
    while len(Request(name="x" * length).SerializeToString()) > size:
        length -= 1
    return "x" * length


@kinds
def test_ok(greeter, kind):
    names = names_for(kind, ["Ada", "Grace", "Zoë 😀"])
    assert greeter.ask(kind, names) == expected(kind, names)


@kinds
def test_handler_error(greeter, kind):
    """The handler's code and message arrive exactly, after the replies that went before."""
    before = ["Ada"] if kind == "biStream" else []
    with Feed() as feed:
        call = greeter.call(kind, feed)
        for name in before:
            feed.write(name)
            assert texts([next(call)]) == expected(kind, [name])
        feed.write("fail")
        if kind == "sayHello":
            feed.done_writing()
            assert outcome(call) == (grpc.StatusCode.INVALID_ARGUMENT, "bad name: 100% né")
        else:
            if kind == "serverStream":
                feed.done_writing()  # a handler with one request starts when the client has ended its side
            assert outcome(call) == (grpc.StatusCode.ABORTED, "stop")


@kinds
def test_cancel(greeter, kind):
    """Cancelled while the handler is at work, waits for a request, or waits for its reader."""
    with Feed() as feed:
        call = greeter.call(kind, feed)
        feed.write(ENDLESS[kind])
        if not KINDS[kind][0]:
            feed.done_writing()
        if KINDS[kind][1]:
            next(call)
        else:
            time.sleep(0.05)  # long enough for the request to arrive; nothing tells when it has
        call.cancel()
        assert outcome(call)[0] is grpc.StatusCode.CANCELLED


@kinds
def test_deadline(greeter, kind):
    """The deadline ends a call that would take much longer, and not before its time."""
    with Feed() as feed:
        start = time.monotonic()
        call = greeter.method(kind)(feed, timeout=0.3)
        feed.write(ENDLESS[kind])
        if not KINDS[kind][0]:
            feed.done_writing()
        while kind != "serverStream" and call.is_active():
            time.sleep(0.01)
        if kind == "serverStream":  # its reader does not read, so the handler is parked
            time.sleep(0.4)
        assert outcome(call)[0] is grpc.StatusCode.DEADLINE_EXCEEDED
        assert 0.3 <= time.monotonic() - start < 0.3 + patience(1)


@kinds
def test_half_close(greeter, kind):
    """The client's end comes apart from its last message, and only then do the one-reply kinds answer."""
    names = names_for(kind, ["Ada", "Grace"])
    with Feed() as feed:
        call = greeter.call(kind, feed)
        for name in names:
            feed.write(name)
        received = [next(call) for _ in names] if kind == "biStream" else []
        time.sleep(0.05)
        assert call.is_active()
        feed.done_writing()
        assert texts(received + list(call)) == expected(kind, names)
        assert call.code() is grpc.StatusCode.OK


@kinds
def test_half_close_at_once(greeter, kind):
    """No request at all: the streams end well and empty, the others have got too few."""
    call = greeter.call(kind, [])
    if KINDS[kind][0]:
        assert texts(call) == expected(kind, [])
    else:
        assert outcome(call)[0] is grpc.StatusCode.UNIMPLEMENTED


@kinds
def test_slow_reader(server, kind):
    """A reader with a small window that dawdles gets everything, in order (megabytes, not kilobytes)."""
    with Greeter(server.target, options=SMALL_WINDOW) as greeter:
        if kind == "sayHello":
            reply = greeter.sayHello(Request(name="big:3000000"), timeout=patience(20))
            assert reply.message == "x" * 3000000
        else:
            names = names_for(kind, [f"{number:05}" * 2000 for number in range(200)])
            replies = []
            for reply in greeter.call(kind, names, timeout=30):
                time.sleep(0.002)
                replies.append(reply.message)
            assert replies == expected(kind, names)
        greeter.works()


@kinds
def test_slow_writer(greeter, kind):
    """A writer that takes its time between requests; a bidi call replies to each before the next is written."""
    names = names_for(kind, [f"name{number}" for number in range(8)])
    with Feed() as feed:
        call = greeter.call(kind, feed)
        received = []
        for name in names:
            time.sleep(0.03)
            feed.write(name)
            if kind == "biStream":
                received += texts([next(call)])
        feed.done_writing()
        assert received + texts(call) == expected(kind, names)


@kinds
def test_message_too_large(greeter, kind):
    """One byte over 4 MiB ends the call, with both sizes in the message; the connection goes on."""
    code, details = outcome(greeter.call(kind, [name_of_size(LIMIT + 1)], timeout=20))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(LIMIT) in details and str(LIMIT + 1) in details, details


@kinds
def test_four_mebibytes(greeter, kind):
    """A request of exactly the limit, larger than the stream window, comes back whole."""
    names = [name_of_size(LIMIT)]
    assert greeter.ask(kind, names, timeout=20) == expected(kind, names)


@kinds
def test_empty_message(greeter, kind):
    """A message of no bytes is a message."""
    names = ["", "", "Ada", ""] if KINDS[kind][0] else [""]
    assert greeter.ask(kind, names) == expected(kind, names)


@kinds
def test_connection_lost(server, kind):
    """The connection is reset under an open call: the client sees UNAVAILABLE, the server goes on."""
    with Proxy(server.host, server.port) as proxy, Greeter(proxy.target) as greeter, Feed() as feed:
        call = greeter.call(kind, feed)
        feed.write(ENDLESS[kind])
        if not KINDS[kind][0]:
            feed.done_writing()
        if KINDS[kind][1]:
            next(call)
        proxy.settled()
        proxy.cut()
        assert outcome(call)[0] is grpc.StatusCode.UNAVAILABLE
    with Greeter(server.target) as greeter:
        greeter.works()


@kinds
def test_client_disappears(server, kind):
    """The channel is closed with the call still open: nothing more is heard of the client."""
    with Feed() as feed:
        with Greeter(server.target) as greeter:
            call = greeter.call(kind, feed)
            feed.write(ENDLESS[kind])
            if KINDS[kind][1] and KINDS[kind][0]:
                next(call)
        assert outcome(call)[0] is grpc.StatusCode.CANCELLED
    with Greeter(server.target) as greeter:
        greeter.works()
