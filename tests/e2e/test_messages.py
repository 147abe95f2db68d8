"""Messages in DATA frames: every way to cut them, and every way to get them wrong. Raw HTTP/2.

A wrong message costs its own call, never the connection: the fixture asks for one more call after each test.
"""
import pytest

import h2raw
from greeter import Request, decode, encode, expected, frame
from h2raw import DATA, END_STREAM, H2, INTERNAL, OK, RESOURCE_EXHAUSTED, UNIMPLEMENTED

LIMIT = 4 * 1024 * 1024
ADA = encode("Ada")
DUBBO = "application/grpc+data"  # the content type of Dubbo-Python, which ends each call with an empty message
EMPTY = frame(b"")


@pytest.fixture
def h2(server):
    """A raw connection, which must still be of use after the test."""
    with H2(server) as connection:
        yield connection
        connection.works()


def test_data_split_at_every_byte(h2):
    """Three requests cut in two DATA frames at each possible place."""
    names = ["Ada", "", "Grace"]
    body = encode(*names)
    for at in range(len(body) + 1):
        stream = h2.request("biStream", body[:at], end=False)
        h2.data(stream, body[at:], end=True)
        response = h2.response(stream)
        assert (response.status, decode(response.data)) == (OK, expected("biStream", names)), f"cut at {at}"


@pytest.mark.parametrize("method", ["sayHello", "clientStream", "serverStream", "biStream"])
def test_one_byte_in_each_frame(h2, method):
    body = encode("Ada Lovelace")
    stream = h2.request(method, body[:1], end=False)
    h2.data(stream, body[1:], end=True, size=1)
    response = h2.response(stream)
    assert (response.status, decode(response.data)) == (OK, expected(method, ["Ada Lovelace"]))


def test_one_byte_in_each_segment(server):
    """The whole connection, preface included, written byte by byte."""
    with H2(server, hello=False) as h2:
        stream = h2.open_stream()
        everything = (h2raw.PREFACE + h2raw.settings() + h2.headers_frame(stream, h2.fields("biStream"))
                      + h2.data_frames(stream, encode("Ada", "Grace"), end=True))
        for number in range(len(everything)):
            h2.send(everything[number:number + 1])
        assert decode(h2.response(stream).data) == ["Hello, Ada!", "Hello, Grace!"]
        h2.works()


def test_many_messages_in_one_frame(h2):
    names = [f"name{number}" for number in range(500)]
    body = encode(*names)
    assert len(body) < 16384
    response = h2.call("biStream", body)
    assert decode(response.data) == expected("biStream", names)
    assert decode(h2.call("clientStream", body).data) == expected("clientStream", names)


def test_padded_and_empty_frames(h2):
    """Padding is no part of a message, and an empty DATA frame in the middle means nothing."""
    stream = h2.request("biStream", b"", end=False)
    body = encode("Ada", "Grace")
    for at in range(0, len(body), 4):
        piece = body[at:at + 4]
        h2.frame(DATA, h2raw.PADDED, stream, bytes([at]) + piece + bytes(at))
        h2.frame(DATA, 0, stream)
    h2.frame(DATA, END_STREAM | h2raw.PADDED, stream, bytes([255]) + bytes(255))
    assert decode(h2.response(stream).data) == ["Hello, Ada!", "Hello, Grace!"]


@pytest.mark.parametrize("method", ["sayHello", "clientStream", "serverStream", "biStream"])
@pytest.mark.parametrize("flag", [2, 3, 128, 255])
def test_wrong_flag(h2, method, flag):
    payload = Request(name="Ada").SerializeToString()
    assert h2.call(method, frame(payload, flag)).status == INTERNAL


@pytest.mark.parametrize("encoding", [None, "identity"])
def test_compressed_without_an_encoding(h2, encoding):
    extra = [("grpc-encoding", encoding)] if encoding else []
    response = h2.call(body=frame(Request(name="Ada").SerializeToString(), 1), extra=extra)
    assert response.status == INTERNAL


def test_identity_encoding(h2):
    assert h2.call(body=ADA, extra=[("grpc-encoding", "identity"), ("grpc-accept-encoding", "gzip,br")]).status == OK


def test_unknown_encoding(h2):
    """The reply says what would be understood."""
    response = h2.call(body=frame(b"whatever", 1), extra=[("grpc-encoding", "rot13")])
    assert response.status == UNIMPLEMENTED
    assert "grpc-accept-encoding" in response.headers | response.trailers


@pytest.mark.parametrize("method", ["sayHello", "serverStream"])
@pytest.mark.parametrize("second", [ADA, EMPTY], ids=["another", "an empty one"])
def test_two_messages_where_one_is_due(h2, method, second):
    assert h2.call(method, ADA + second).status == UNIMPLEMENTED


@pytest.mark.parametrize("method", ["sayHello", "clientStream", "serverStream", "biStream"])
@pytest.mark.parametrize("names", [["Ada"], [""]], ids=["a name", "an empty name"])
def test_dubbo_ends_with_an_empty_message(h2, method, names):
    """With Dubbo-Python's content type alone, a last empty message that carries END_STREAM is none."""
    response = h2.call(method, encode(*names) + EMPTY, content_type=DUBBO)
    assert (response.status, decode(response.data)) == (OK, expected(method, names))


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_dubbo_end_in_pieces(h2, cut):
    """The same with the last message in a frame of its own, or torn apart."""
    body = encode("Ada", "Grace") + EMPTY
    stream = h2.request("clientStream", body[:-cut], end=False, content_type=DUBBO)
    h2.data(stream, body[-cut:], end=True)
    assert decode(h2.response(stream).data) == expected("clientStream", ["Ada", "Grace"])


def test_dubbo_empty_message_in_the_middle(h2):
    """Only the last one is dropped."""
    response = h2.call("clientStream", encode("Ada", "", "Grace") + EMPTY, content_type=DUBBO)
    assert decode(response.data) == expected("clientStream", ["Ada", "", "Grace"])


def test_dubbo_two_real_messages(h2):
    assert h2.call(body=ADA + ADA, content_type=DUBBO).status == UNIMPLEMENTED


def test_empty_last_message_of_others(h2):
    """Any other client that sends an empty last message means it."""
    assert decode(h2.call("clientStream", ADA + EMPTY).data) == expected("clientStream", ["Ada", ""])


MALFORMED = {
    "no tag": b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    "a string beyond the end": b"\x0a\x7fAda",
    "a length of 2 GiB": b"\x0a\xff\xff\xff\xff\x07Ada",
    "a cut tag": b"\x0a\x03Ada\x80",
    "field number 0": b"\x02\x03Ada",
    "a reserved wire type": b"\x0f\x00",
}


@pytest.mark.parametrize("method", ["sayHello", "clientStream", "serverStream", "biStream"])
@pytest.mark.parametrize("payload", MALFORMED.values(), ids=MALFORMED)
def test_malformed_protobuf(h2, method, payload):
    assert h2.call(method, frame(payload)).status == INTERNAL


def test_malformed_protobuf_after_good_requests(h2):
    """What was asked before is answered before."""
    response = h2.call("biStream", encode("Ada", "Grace") + frame(MALFORMED["a string beyond the end"]) + ADA)
    assert response.status == INTERNAL
    assert decode(response.data) in ([], ["Hello, Ada!"], ["Hello, Ada!", "Hello, Grace!"])


ODD = {
    "unknown fields": b"\x0a\x03Ada\x10\x05\x1a\x02hi\x25abcd\x29abcdefgh",
    "the field twice": b"\x0a\x03Bob\x0a\x03Ada",
}


@pytest.mark.parametrize("payload", ODD.values(), ids=ODD)
def test_odd_but_right_protobuf(h2, payload):
    assert decode(h2.call(body=frame(payload)).data) == ["Hello, Ada"]


NASTY = {
    "10,000 nested groups": b"\x1b" * 10000 + b"\x1c" * 10000,
    "10,000 open groups": b"\x1b" * 10000,
    "a group that never began": b"\x1c",
    "the wrong wire type": b"\x08\x05",
    "not UTF-8": b"\x0a\x03\xff\xfe\xfd",
    "a NUL in the string": b"\x0a\x03A\x00a",
    "400,000 unknown fields": b"\x10\x01" * 400000,
    "400,000 times the field": b"\x0a\x00" * 400000,
}


@pytest.mark.parametrize("payload", NASTY.values(), ids=NASTY)
def test_nasty_protobuf(h2, payload):
    """Whether such a request is refused is protobuf's matter; that it is answered, and harmless, is ours."""
    assert h2.call(body=ADA).status == OK  # and with it our acknowledgement of the server's windows has gone out
    response = h2.call(body=frame(payload), seconds=20)
    assert response.status in (OK, INTERNAL, RESOURCE_EXHAUSTED, h2raw.INVALID_ARGUMENT)


@pytest.mark.parametrize("method", ["sayHello", "clientStream", "serverStream", "biStream"])
@pytest.mark.parametrize("body", [ADA[:3], ADA[:5], ADA[:-1], b"\0\0\0\1\0" + b"x" * 100],
                         ids=["in the prefix", "after the prefix", "in the payload", "a long message"])
def test_end_in_the_middle_of_a_message(h2, method, body):
    assert h2.call(method, body).status == INTERNAL


@pytest.mark.parametrize("method", ["sayHello", "clientStream", "serverStream", "biStream"])
@pytest.mark.parametrize("length", [LIMIT + 1, 2**31, 2**32 - 1])
def test_prefix_claims_too_much(h2, method, length):
    """The prefix alone is enough to refuse the message, and names the size; nothing is set aside for it."""
    stream = h2.request(method, b"\0" + length.to_bytes(4, "big") + b"x" * 100, end=False)
    response = h2.response(stream)
    assert response.status == RESOURCE_EXHAUSTED
    assert str(length) in response.message and str(LIMIT) in response.message


def test_many_large_claims_cost_nothing(server):
    """200 streams that each claim 4 MiB and send 100 bytes: memory grows with what came, not with the claim."""
    with H2(server) as h2:
        h2.works()
        before = server.rss()
        streams = [h2.request("sayHello", b"\0" + LIMIT.to_bytes(4, "big") + b"x" * 100, end=False) for _ in range(200)]
        h2.works()
        assert server.rss() - before < 64 * 2**20
        for stream in streams:
            h2.send(h2raw.rst_stream(stream))
        h2.works()
