"""HTTP/2 frames that no good client sends. What is wrong ends the stream or the connection, as RFC 9113
says; what is only odd is let pass; and whatever happens, other connections do not notice."""
import socket

import pytest

import h2raw
from greeter import encode
from h2raw import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, H2, HEADERS, PING, PRIORITY, PUSH_PROMISE,
                   RST_STREAM, SETTINGS, WINDOW_UPDATE, Closed, frame)
from harness import wait_until

ADA = encode("Ada")


@pytest.fixture(autouse=True)
def neighbour(server):
    """Another connection, which must work before and after each test."""
    with H2(server) as connection:
        connection.works()
        yield
        connection.works()


@pytest.fixture
def h2(server):
    with H2(server) as connection:
        connection.works()
        yield connection


GARBAGE = {
    "HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "TLS hello": bytes.fromhex("160301007a010000760303") + bytes(120),
    "zeros": bytes(100),
    "a wrong last byte": h2raw.PREFACE[:-1] + b"X" + h2raw.settings(),
    "lower case": h2raw.PREFACE.lower() + h2raw.settings(),
    "no preface": h2raw.settings() + frame(PING, 0, 0, bytes(8)),
    "a megabyte": b"\xff" * 2**20,
}


@pytest.mark.parametrize("bytes_sent", GARBAGE.values(), ids=GARBAGE)
def test_garbage_preface(server, bytes_sent):
    """The connection is closed, and soon."""
    with H2(server, hello=False) as h2:
        try:
            h2.send(bytes_sent)
            while h2.socket.recv(65536):
                pass
        except (OSError, Closed) as error:
            assert not isinstance(error, TimeoutError), "the server keeps the connection"


def test_connections_without_a_word(server):
    """Connections that come and go with nothing, or half a preface, leave nothing behind."""
    before = server.descriptors()
    for number in range(100):
        with H2(server, hello=False) as h2:
            h2.send(h2raw.PREFACE[:number % len(h2raw.PREFACE)])
    wait_until(lambda: server.descriptors() <= before, what="the number of descriptors from before")


def test_first_frame_is_not_settings(server):
    with H2(server, hello=False) as h2:
        h2.send(h2raw.PREFACE + frame(PING, 0, 0, bytes(8)))
        assert h2.ended() in (None, h2raw.PROTOCOL_ERROR)


# What must end the connection: frames after the greeting and one good call, and the codes that fit.
WRONG = h2raw.PROTOCOL_ERROR
SIZE = h2raw.FRAME_SIZE_ERROR
FATAL = {
    "DATA on stream 0": (frame(DATA, 0, 0, b"x"), {WRONG}),
    "HEADERS on stream 0": (frame(HEADERS, END_HEADERS, 0, b"\x82"), {WRONG}),
    "HEADERS on an even stream": (frame(HEADERS, END_HEADERS | END_STREAM, 2, b"\x83\x86\x84"), {WRONG}),
    "DATA on an idle stream": (frame(DATA, 0, 99, b"x"), {WRONG, h2raw.STREAM_CLOSED}),
    "RST_STREAM on an idle stream": (h2raw.rst_stream(99), {WRONG}),
    "RST_STREAM on stream 0": (h2raw.rst_stream(0), {WRONG}),
    "RST_STREAM of 3 bytes": (frame(RST_STREAM, 0, 1, bytes(3)), {SIZE}),
    "SETTINGS on a stream": (frame(SETTINGS, 0, 1), {WRONG}),
    "SETTINGS of 5 bytes": (frame(SETTINGS, 0, 0, bytes(5)), {SIZE}),
    "SETTINGS ACK with content": (frame(SETTINGS, ACK, 0, bytes(6)), {SIZE}),
    "a window of 4 GiB": (h2raw.settings(_4=2**32 - 1), {h2raw.FLOW_CONTROL_ERROR}),
    "ENABLE_PUSH of 2": (h2raw.settings(_2=2), {WRONG}),
    "MAX_FRAME_SIZE of 100": (h2raw.settings(_5=100), {WRONG}),
    "PUSH_PROMISE": (frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4) + b"\x82"), {WRONG}),
    "PING of 7 bytes": (frame(PING, 0, 0, bytes(7)), {SIZE}),
    "PING on a stream": (frame(PING, 0, 1, bytes(8)), {WRONG}),
    "GOAWAY on a stream": (frame(GOAWAY, 0, 1, bytes(8)), {WRONG}),
    "WINDOW_UPDATE of 0": (h2raw.window_update(0, 0), {WRONG}),
    "WINDOW_UPDATE of 3 bytes": (frame(WINDOW_UPDATE, 0, 0, bytes(3)), {SIZE}),
    "WINDOW_UPDATE on an idle stream": (h2raw.window_update(99, 1), {WRONG}),
    "the connection's window overflows": (h2raw.window_update(0, h2raw.MAX_ID), {h2raw.FLOW_CONTROL_ERROR}),
    "CONTINUATION alone": (frame(CONTINUATION, END_HEADERS, 1, b"\x82"), {WRONG}),
    "HEADERS cut by a PING": (frame(HEADERS, 0, 99, b"\x83") + frame(PING, 0, 0, bytes(8)), {WRONG}),
    "broken HPACK": (frame(HEADERS, END_HEADERS | END_STREAM, 99, b"\xff\xff\xff\xff\xff\xff"), {h2raw.COMPRESSION_ERROR}),
    "a frame of 16 MiB": (b"\xff\xff\xff" + bytes([DATA, 0, 0, 0, 0, 1]) + bytes(1000), {SIZE}),
}


@pytest.mark.parametrize("wrong, codes", FATAL.values(), ids=FATAL)
def test_fatal_frames(h2, wrong, codes):
    """GOAWAY with the right code and the end of the connection."""
    h2.send(wrong)
    assert h2.ended() in codes


def test_padding_longer_than_the_frame(h2):
    """On a stream that is open; GOAWAY and the end of the connection."""
    stream = h2.request("clientStream", end=False)
    h2.send(frame(DATA, h2raw.PADDED, stream, b"\x09x"))
    assert h2.ended() == WRONG


# What is allowed, if useless.
HARMLESS = {
    "an unknown type": frame(99, 255, 0, b"whatever") + frame(200, 1, 1, b"") + frame(11, 0, 12345, b"x" * 1000),
    "PRIORITY": frame(PRIORITY, 0, 1, bytes([0, 0, 0, 7, 9])) + frame(PRIORITY, 0, 99, bytes([0, 0, 0, 1, 9])),
    "unknown SETTINGS": h2raw.settings(_99=1, _61440=2),
    "empty SETTINGS": h2raw.settings(),
    "a reserved bit": b"\0\0\4" + bytes([WINDOW_UPDATE, 0, 128, 0, 0, 0]) + (2**31 + 1).to_bytes(4, "big"),
    "unknown flags": frame(PING, 0xFE, 0, b"payload!"),
    "PING ACK unasked": frame(PING, ACK, 0, bytes(8)),
    "GOAWAY": frame(GOAWAY, 0, 0, bytes(8) + b"bye"),
    "late WINDOW_UPDATE": h2raw.window_update(1, 100),
    "late RST_STREAM": h2raw.rst_stream(1),
}


@pytest.mark.parametrize("odd", HARMLESS.values(), ids=HARMLESS)
def test_harmless_frames(h2, odd):
    h2.send(odd)
    if odd is not HARMLESS["GOAWAY"]:
        h2.works()


def test_ping_is_answered(h2):
    for number in range(20):
        payload = number.to_bytes(8, "big")
        h2.frame(PING, 0, 0, payload)
        h2.read_until(lambda: payload in h2.pings, what="the answer to a PING")


@pytest.mark.parametrize("extra", [[("Upper", "case")], [("connection", "close")], [("x", "line\nbreak")], [(":odd", "x")],
                                   [("te", "gzip")], [("", "nameless")]],
                         ids=["upper case", "connection", "line break", "unknown pseudo", "te", "no name"])
def test_malformed_fields(h2, extra):
    """A malformed request costs its stream at most."""
    stream = h2.request(body=ADA, extra=extra)
    response = h2.response(stream)
    assert response.reset is not None or response.status is not None or response.http >= 400
    h2.works()


@pytest.mark.parametrize("missing", [":method", ":path", ":scheme"])
def test_missing_pseudo_header(h2, missing):
    stream = h2.open_stream()
    fields = [field for field in h2.fields() if field[0] != missing]
    h2.send(h2.headers_frame(stream, fields) + h2.data_frames(stream, ADA, end=True))
    response = h2.response(stream)
    assert response.reset == h2raw.PROTOCOL_ERROR or response.http == 400
    h2.works()


@pytest.mark.parametrize("length", ["3", "999", "abc"])
def test_wrong_content_length(h2, length):
    stream = h2.request(body=ADA, extra=[("content-length", length)])
    response = h2.response(stream)
    assert response.reset is not None or response.status not in (None, h2raw.OK) or response.http == 400
    h2.works()


def test_stream_window_overflow(h2):
    """Ends the stream, or the connection; never silence."""
    stream = h2.request("biStream", ADA, end=False)
    h2.send(h2raw.window_update(stream, h2raw.MAX_ID) * 2)
    try:
        assert h2.response(stream).reset == h2raw.FLOW_CONTROL_ERROR
    except Closed:
        assert h2.goaways[-1][1] in (h2raw.FLOW_CONTROL_ERROR, h2raw.ENHANCE_YOUR_CALM, WRONG)


def test_more_data_than_the_window(server):
    """A stream that is sent more than its window of 1 MiB ends with FLOW_CONTROL_ERROR.

    The handler waits for its reader, whose window is shut, so it takes no requests and returns no credit.
    """
    with H2(server, window=0, credit=False) as h2:
        stream = h2.request("biStream", b"", end=False)
        try:
            for _ in range(200):
                h2.data(stream, encode("x" * 16000))
            assert h2.response(stream).reset == h2raw.FLOW_CONTROL_ERROR
        except Closed:
            assert h2.ended() in (h2raw.FLOW_CONTROL_ERROR, None)


def test_header_list_beyond_all_bounds(h2):
    """Over 64 KiB of fields end the connection, or are refused like any list that is too large."""
    fields = h2.fields() + [(f"x-{number}", "f" * 2000) for number in range(60)]
    block = h2.encoder.encode(fields)
    stream = h2.open_stream()
    out = frame(HEADERS, END_STREAM, stream, block[:16384])
    pieces = [block[at:at + 16384] for at in range(16384, len(block), 16384)]
    for number, piece in enumerate(pieces):
        out += frame(CONTINUATION, END_HEADERS if number == len(pieces) - 1 else 0, stream, piece)
    try:
        h2.send(out)
        response = h2.response(stream)
        assert response.http == 431 or response.status == h2raw.RESOURCE_EXHAUSTED or response.reset is not None
    except Closed:
        pass


def test_too_many_continuations(h2):
    """A header block in 50 pieces ends the connection."""
    stream = h2.open_stream()
    block = h2.encoder.encode(h2.fields(extra=[("x-long", "f" * 500)]))
    out = frame(HEADERS, END_STREAM, stream, block[:1])
    for at in range(1, 50):
        out += frame(CONTINUATION, END_HEADERS if at == 49 else 0, stream, block[at:at + 1] if at < 49 else block[49:])
    h2.send(out)
    h2.ended()


def test_hpack_bomb(h2):
    """One entry of 4 KB referred to thousands of times is refused like any list that is too large."""
    h2.call(body=ADA, extra=[("x-bomb", "b" * 3900)])
    index = next(number for number, entry in enumerate(h2.encoder.header_table.dynamic_entries) if entry[0] == b"x-bomb")
    stream = h2.open_stream()
    block = h2.encoder.encode(h2.fields()) + bytes([0x80 | (62 + index)]) * 8000
    try:
        h2.frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
        response = h2.response(stream)
        assert response.http == 431 or response.status == h2raw.RESOURCE_EXHAUSTED or response.reset is not None
    except Closed:
        pass


def test_half_closed_connection(server):
    """A client that shuts its sending side after a request still gets its answer, or an end; never silence."""
    with H2(server) as h2:
        stream = h2.request(body=ADA)
        h2.socket.shutdown(socket.SHUT_WR)
        try:
            assert h2.response(stream).status == h2raw.OK
        except Closed:
            pass
