"""grpc.aio against the server: each kind, each way to read and write, and the ways to end a call."""
import asyncio

import grpc
import grpc.aio
import pytest

from greeter import KINDS, SERVICE, Reply, Request, expected, path
from harness import patience
from stubs import UNLIMITED


class Greeter:
    """An asyncio channel with the four methods."""

    def __init__(self, target):
        self.channel = grpc.aio.insecure_channel(target, options=UNLIMITED + [("grpc.use_local_subchannel_pool", 1)])
        for kind, (requests_stream, replies_stream) in KINDS.items():
            form = f"{'stream' if requests_stream else 'unary'}_{'stream' if replies_stream else 'unary'}"
            setattr(self, kind, getattr(self.channel, form)(path(kind, SERVICE), Request.SerializeToString, Reply.FromString))

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.channel.close()


def run(server, test):
    """Runs an async test with a greeter, bounded in time; then one more call must succeed."""
    async def body():
        async with Greeter(server.target) as greeter:
            await test(greeter)
            assert (await greeter.sayHello(Request(name="again"))).message == "Hello, again"
    asyncio.run(asyncio.wait_for(body(), patience(30)))


def requests(names):
    return [Request(name=name) for name in names]


async def agenerate(names):
    for name in names:
        yield Request(name=name)


NAMES = ["Ada", "", "Zoë 😀", "Grace"]


def test_unary(server):
    async def test(greeter):
        assert (await greeter.sayHello(Request(name="Ada"))).message == "Hello, Ada"
    run(server, test)


@pytest.mark.parametrize("source", [requests, agenerate])
def test_client_stream_from_an_iterator(server, source):
    async def test(greeter):
        reply = await greeter.clientStream(source(NAMES))
        assert [reply.message] == expected("clientStream", NAMES)
    run(server, test)


def test_client_stream_written(server):
    async def test(greeter):
        call = greeter.clientStream()
        for request in requests(NAMES):
            await call.write(request)
        await call.done_writing()
        assert [(await call).message] == expected("clientStream", NAMES)
    run(server, test)


def test_server_stream(server):
    async def test(greeter):
        words = [reply.message async for reply in greeter.serverStream(Request(name="one two three"))]
        assert words == ["one", "two", "three"]
        call = greeter.serverStream(Request(name="count:3"))
        assert [(await call.read()).message for _ in range(3)] == ["0", "1", "2"]
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
    run(server, test)


@pytest.mark.parametrize("source", [requests, agenerate])
def test_bidi_from_an_iterator(server, source):
    async def test(greeter):
        replies = [reply.message async for reply in greeter.biStream(source(NAMES))]
        assert replies == expected("biStream", NAMES)
    run(server, test)


def test_bidi_turn_by_turn(server):
    async def test(greeter):
        call = greeter.biStream()
        for name in NAMES:
            await call.write(Request(name=name))
            assert (await call.read()).message == f"Hello, {name}!"
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
    run(server, test)


def test_read_times_out_and_the_stream_goes_on(server):
    async def test(greeter):
        call = greeter.biStream()
        await call.write(Request(name="Ada"))
        assert (await call.read()).message == "Hello, Ada!"
        pending = asyncio.ensure_future(call.read())
        done, _ = await asyncio.wait([pending], timeout=0.05)
        assert not done
        await call.write(Request(name="Grace"))
        assert (await pending).message == "Hello, Grace!"
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
    run(server, test)


def test_200_unary_calls_at_once(server):
    async def test(greeter):
        replies = await asyncio.gather(*[greeter.sayHello(Request(name=f"n{number}")) for number in range(200)])
        assert [reply.message for reply in replies] == [f"Hello, n{number}" for number in range(200)]
    run(server, test)


def test_pipelined_bidi(server):
    """5,000 requests from one task while another reads."""
    async def test(greeter):
        names = [f"n{number}" for number in range(5000)]
        call = greeter.biStream(agenerate(names))
        assert [reply.message async for reply in call] == expected("biStream", names)
    run(server, test)


def test_50_streams_at_once(server):
    async def test(greeter):
        async def one(number):
            names = [f"s{number}n{turn}" for turn in range(50)]
            return [reply.message async for reply in greeter.biStream(requests(names))] == expected("biStream", names)
        assert all(await asyncio.gather(*[one(number) for number in range(50)]))
    run(server, test)


@pytest.mark.parametrize("kind, name, code, details", [
    ("sayHello", "fail", grpc.StatusCode.INVALID_ARGUMENT, "bad name: 100% né"),
    ("biStream", "fail", grpc.StatusCode.ABORTED, "stop")])
def test_errors(server, kind, name, code, details):
    async def test(greeter):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            if kind == "sayHello":
                await greeter.sayHello(Request(name=name))
            else:
                async for _ in greeter.biStream(requests([name])):
                    pass
        assert (caught.value.code(), caught.value.details()) == (code, details)
    run(server, test)


def test_deadline(server):
    async def test(greeter):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await greeter.sayHello(Request(name="slow"), timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    run(server, test)


def test_cancel(server):
    async def test(greeter):
        unary = greeter.sayHello(Request(name="slow"))
        streaming = greeter.serverStream(Request(name="count:5000000"))
        await streaming.read()
        for call in (unary, streaming):
            assert call.cancel()
            assert await call.code() is grpc.StatusCode.CANCELLED
    run(server, test)


def test_metadata(server):
    async def test(greeter):
        call = greeter.sayHello(Request(name="meta"), metadata=(("x-tri-echo", "text"), ("x-tri-echo-bin", b"\0\xff")))
        await call
        assert dict(await call.initial_metadata())["x-tri-echo"] == "text"
        assert dict(await call.trailing_metadata())["x-tri-trail-bin"] == b"\0\xff"
    run(server, test)
