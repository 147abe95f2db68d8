"""Metadata in and out with grpcio, and its odd forms on the wire.

The contract: sayHello with the name `meta` sends the request's `x-tri-echo` back as a response header and
`x-tri-echo-bin` as the trailer `x-tri-trail-bin`.
"""
import base64

import grpc
import pytest

import h2raw
from greeter import SERVICE, Request, encode
from h2raw import H2
from harness import patience
from stubs import Greeter

META = encode("meta")


@pytest.fixture
def greeter(server):
    with Greeter(server.target) as stub:
        yield stub
        stub.works()


@pytest.fixture
def h2(server):
    with H2(server) as connection:
        yield connection
        connection.works()


def echo(greeter, metadata):
    """Calls `meta`. Returns the response headers and the trailers."""
    _, call = greeter.sayHello.with_call(Request(name="meta"), metadata=metadata, timeout=patience(10))
    return dict(call.initial_metadata()), dict(call.trailing_metadata())


@pytest.mark.parametrize("text", ["plain", "with spaces in it", "a%20b+c,d;e=f", "!\"#$&'()*/:<>?@[\\]^_`{|}~", "x" * 2000])
def test_text(greeter, text):
    headers, trailers = echo(greeter, [("x-tri-echo", text)])
    assert headers["x-tri-echo"] == text
    assert "x-tri-echo" not in trailers


@pytest.mark.parametrize("value", [bytes(range(256)), b"\0", b"ab", b"abc", b"abcd", b"", b"\xff" * 2000],
                         ids=["all bytes", "NUL", "2 bytes", "3 bytes", "4 bytes", "empty", "2000 bytes"])
def test_bytes(greeter, value):
    headers, trailers = echo(greeter, [("x-tri-echo-bin", value)])
    assert trailers["x-tri-trail-bin"] == value
    assert "x-tri-trail-bin" not in headers


def test_both_and_none(greeter):
    headers, trailers = echo(greeter, [("x-tri-echo", "text"), ("x-other", "ignored"), ("x-tri-echo-bin", b"\1\2")])
    assert (headers["x-tri-echo"], trailers["x-tri-trail-bin"]) == ("text", b"\1\2")
    headers, trailers = echo(greeter, [])
    assert "x-tri-echo" not in headers and "x-tri-trail-bin" not in trailers


def test_no_metadata_leaks_into_the_next_call(greeter):
    for number in range(50):
        headers, trailers = echo(greeter, [("x-tri-echo", str(number))] if number % 2 else [])
        assert headers.get("x-tri-echo") == (str(number) if number % 2 else None)
        assert "x-tri-trail-bin" not in trailers


def test_binary_goes_out_unpadded(h2):
    """gRPC asks for base64 without padding."""
    response = h2.call(body=META, extra=[("x-tri-echo-bin", base64.b64encode(b"ab").decode())])
    assert response.trailers["x-tri-trail-bin"] == "YWI"


@pytest.mark.parametrize("text", ["YWI=", "YWI"], ids=["padded", "unpadded"])
def test_binary_comes_in_both_forms(h2, text):
    response = h2.call(body=META, extra=[("x-tri-echo-bin", text)])
    assert base64.b64decode(response.trailers["x-tri-trail-bin"] + "=") == b"ab"


@pytest.mark.parametrize("text", ["!!!!", "YWI*", "Y"])
def test_broken_base64(h2, text):
    """Refused (400 or INTERNAL) or left out, but answered."""
    response = h2.call(body=META, extra=[("x-tri-echo-bin", text)])
    assert response.http == 400 or response.status in (h2raw.OK, h2raw.INTERNAL)
    assert "x-tri-trail-bin" not in (response.trailers or {})


def test_reserved_and_strange_names(h2):
    """Fields that the framework does not know, or that are its own, do no harm."""
    extra = [("user-agent", "grpc-test/1.0"), ("grpc-previous-rpc-attempts", "2"), ("grpc-tags-bin", "AAAA"),
             ("tri-service-version", "1.0.0"), ("tri-service-group", "g"), ("tri-consumer-appname", "app"),
             ("timeout", "3s"), ("retries", ""), ("interface", SERVICE), ("_.-0", "odd"), ("cookie", "a=b"),
             ("accept-encoding", "identity"), ("grpc-accept-encoding", "gzip,snappy")]
    assert h2.call(body=META, extra=extra).status == h2raw.OK


def test_value_that_is_not_ascii(h2):
    """Legal in HTTP, not in gRPC: no reason to fail the call."""
    response = h2.call(body=META, extra=[("x-other", b"caf\xc3\xa9")])
    assert response.status == h2raw.OK


def test_metadata_with_an_error(greeter):
    """Metadata that the handler does not use is no matter, and an error carries none of it."""
    with pytest.raises(grpc.RpcError) as caught:
        greeter.sayHello(Request(name="fail"), metadata=[("x-tri-echo", "text")], timeout=patience(10))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "bad name: 100% né"


def test_joined_values_cost_no_more_than_they_may(start, placement):
    """Each value between commas repeats its key: 8 KiB of them must not become megabytes."""
    server = start(placement)
    with H2(server) as h2:
        h2.works()
        before = server.rss()
        for _ in range(20):
            response = h2.call(body=META, extra=[("k" * 3000 + "-bin", "," * 4000)])
            assert response.status == h2raw.RESOURCE_EXHAUSTED
        h2.works()
    assert server.rss() - before < 16 * 2**20
    server.stop()


def list_size(fields):
    """As HTTP/2 counts a header list."""
    return sum(len(name) + len(value) + 32 for name, value in fields.items())


LONG = [("x-tri-echo", "h" * 300), ("x-tri-echo-bin", base64.b64encode(b"t" * 300).decode())]


def test_headers_that_the_client_does_not_take(server):
    """With SETTINGS_MAX_HEADER_LIST_SIZE one below what they need, there is a status that says so in their place."""
    with H2(server) as h2:
        response = h2.call(body=META, extra=LONG[:1])
        needed = list_size(response.headers)
        for most, status in (needed, h2raw.OK), (needed - 1, h2raw.RESOURCE_EXHAUSTED):
            h2.send(h2raw.settings(_6=most))
            response = h2.call(body=META, extra=LONG[:1])
            assert response.status == status and ("x-tri-echo" in response.headers) == (status == h2raw.OK)
        assert f"have {needed} bytes; the client takes {needed - 1}" in response.message and not response.data
        h2.works()


def test_trailers_that_the_client_does_not_take(server):
    with H2(server) as h2:
        response = h2.call(body=META, extra=LONG[1:])
        needed = list_size(response.trailers)
        for most, status in (needed, h2raw.OK), (needed - 1, h2raw.RESOURCE_EXHAUSTED):
            h2.send(h2raw.settings(_6=most))
            response = h2.call(body=META, extra=LONG[1:])
            assert response.status == status and ("x-tri-trail-bin" in response.trailers) == (status == h2raw.OK)
        assert f"have {needed} bytes; the client takes {needed - 1}" in response.message
        assert list_size(response.trailers) < needed
        h2.works()


@pytest.mark.parametrize("least", [0, 10], ids=["nothing", "almost nothing"])
def test_status_for_a_client_that_takes_hardly_any_headers(server, least):
    """The status of a failure stays when even its message is too long; and a plain call works."""
    with H2(server) as h2:
        needed = list_size(h2.call(body=encode("fail")).headers)
        h2.send(h2raw.settings(_6=least))
        h2.works()
        for most in (least, needed - 1, needed):
            h2.send(h2raw.settings(_6=most))
            response = h2.call(body=encode("fail"))
            assert response.status == h2raw.INVALID_ARGUMENT
            assert ("grpc-message" in response.trailers) == (most == needed)
