"""Many calls at once, with grpcio's threads, on one channel and on many."""
import threading

import grpc
import pytest

from greeter import Request, expected
from harness import patience
from stubs import Feed, Greeter, texts


@pytest.fixture
def greeter(server):
    with Greeter(server.target) as stub:
        yield stub
        stub.works()


def test_200_unary_calls_at_once(greeter):
    for _ in range(3):
        calls = [greeter.sayHello.future(Request(name=f"n{number}"), timeout=patience(10)) for number in range(200)]
        assert [call.result().message for call in calls] == [f"Hello, n{number}" for number in range(200)]


def test_300_streams_at_once(greeter):
    """More streams than the server allows: the client lets the rest wait (or sees them refused at once); the
    256 that fit all succeed, and no stream is lost."""
    greeter.works()  # now the client knows the limit
    feeds = [Feed() for _ in range(300)]
    calls = [greeter.call("biStream", feed, timeout=30) for feed in feeds]
    for feed in feeds:
        feed.write("Ada")
        feed.done_writing()
    good = 0
    for call in calls:
        try:
            assert texts(call) == ["Hello, Ada!"]
            good += 1
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE and "RST_STREAM" in error.details()
    assert good >= 256


def test_10000_pipelined_bidi_messages(greeter):
    names = [f"n{number}" for number in range(10000)]
    assert greeter.ask("biStream", names, timeout=60) == expected("biStream", names)


def test_10000_requests_one_reply(greeter):
    names = [f"n{number}" for number in range(10000)]
    assert greeter.ask("clientStream", names, timeout=60) == expected("clientStream", names)


def test_10000_replies(greeter):
    assert greeter.ask("serverStream", ["count:10000"], timeout=60) == [str(number) for number in range(10000)]


def test_ping_pong(greeter):
    """500 turns, each waiting for the other side."""
    with Feed() as feed:
        call = greeter.call("biStream", feed, timeout=60)
        for number in range(500):
            feed.write(f"n{number}")
            assert next(call).message == f"Hello, n{number}!"
        feed.done_writing()
        assert texts(call) == [] and call.code() is grpc.StatusCode.OK


def test_megabyte_each_way(greeter):
    name = "x" * 2**20
    assert greeter.ask("sayHello", [name]) == ["Hello, " + name]
    reply = greeter.sayHello(Request(name="big:10000000"), timeout=patience(20))
    assert reply.message == "x" * 10000000


def test_all_kinds_from_many_threads(server):
    """Eight threads with a channel each, every kind of call in turn, with errors and cancels among them."""
    failures = []

    def work(number):
        try:
            with Greeter(server.target) as greeter:
                for turn in range(25):
                    name = f"t{number}n{turn}"
                    for kind in ("sayHello", "clientStream", "serverStream", "biStream"):
                        assert greeter.ask(kind, [name]) == expected(kind, [name])
                    cancelled = greeter.call("serverStream", ["count:100000"])
                    next(cancelled)
                    cancelled.cancel()
                    with pytest.raises(grpc.RpcError):
                        greeter.ask("sayHello", ["fail"])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def test_cancels_at_random_moments(greeter):
    """300 calls that are cancelled as they go; those that were quicker have the right reply."""
    for number in range(300):
        call = greeter.sayHello.future(Request(name="Ada"), timeout=patience(10))
        if number % 3 == 0:
            greeter.works()
        call.cancel()
        if not call.cancelled():
            assert call.result().message == "Hello, Ada"
