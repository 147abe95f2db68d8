"""What a request may look like on the wire, and how the server refuses it. Raw HTTP/2."""
import time

import pytest

import h2raw
from greeter import DATA_SERVICE, SERVICE, decode, encode, path
from h2raw import END_HEADERS, END_STREAM, H2, INTERNAL, OK, UNIMPLEMENTED
from harness import patience, wait_until

ADA = encode("Ada")


@pytest.fixture
def h2(server):
    """A raw connection, which must still be of use after the test."""
    with H2(server) as connection:
        yield connection
        connection.works()


@pytest.mark.parametrize("content_type", [
    "application/grpc", "application/grpc+proto", "application/grpc+data", "application/grpc;charset=utf-8"])
def test_grpc_content_types(h2, content_type):
    response = h2.call(body=ADA, content_type=content_type)
    assert (response.http, response.status, decode(response.data)) == (200, OK, ["Hello, Ada"])
    assert response.headers["content-type"].startswith("application/grpc")


@pytest.mark.parametrize("content_type", ["text/plain", "application/grpc-web", "application/grpcx", "grpc", "", None])
def test_other_content_types_are_415(h2, content_type):
    assert h2.call(body=ADA, content_type=content_type).http == 415


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_405(h2, method):
    stream = h2.open_stream()
    fields = [(name, method if name == ":method" else value) for name, value in h2.fields("sayHello")]
    h2.send(h2.headers_frame(stream, fields, END_HEADERS | END_STREAM))
    assert h2.response(stream).http == 405


@pytest.mark.parametrize("where", [
    path("noSuchMethod"), path("sayHello", "no.such.Service"), path("sayHello", SERVICE + "x"), path("sayHellox"),
    path(""), "/sayHello", "/", "//", "/a/b/c", path("sayHello") + "/", "/" + SERVICE, "/" + "x" * 4000])
def test_unknown_paths_are_unimplemented(h2, where):
    """One HEADERS frame with HTTP 200 and the code; the body is not waited for."""
    stream = h2.open_stream()
    fields = [(name, where if name == ":path" else value) for name, value in h2.fields()]
    h2.send(h2.headers_frame(stream, fields))
    response = h2.response(stream)
    assert (response.http, response.status) == (200, UNIMPLEMENTED)
    assert response.trailers_only
    assert response.headers["content-type"].startswith("application/grpc")


def test_both_service_names(h2):
    for service in (SERVICE, DATA_SERVICE):
        stream = h2.open_stream()
        fields = [(name, path("sayHello", service) if name == ":path" else value) for name, value in h2.fields()]
        h2.send(h2.headers_frame(stream, fields) + h2.data_frames(stream, ADA, end=True))
        assert h2.response(stream).status == OK, service


@pytest.mark.parametrize("value", ["abc", "1", "m", "", "-1m", "1x", "1 m", "1.5S", "1mm", "m1"])
def test_malformed_timeouts(h2, value):
    response = h2.call(body=ADA, extra=[("grpc-timeout", value)])
    assert response.status == INTERNAL and response.http in (200, 400)


@pytest.mark.parametrize("value", ["99999999H", "99999999n", "60000000u", "60000m", "1S", "00000060S", "1M", "0000001H"])
def test_timeouts_with_room(h2, value):
    if value == "1S":
        value = f"{int(patience(1))}S"
    if value == "99999999n":  # a tenth of a second: either is right, but never a hang
        assert h2.call(body=ADA, extra=[("grpc-timeout", value)]).status in (OK, h2raw.DEADLINE_EXCEEDED)
    else:
        assert h2.call(body=ADA, extra=[("grpc-timeout", value)]).status == OK


@pytest.mark.parametrize("value", ["0n", "0S", "00000000m"])
def test_expired_timeout(h2, value):
    assert h2.call(body=ADA, extra=[("grpc-timeout", value)]).status == h2raw.DEADLINE_EXCEEDED


@pytest.mark.parametrize("value, least", [("100m", 0.1), ("100000u", 0.1), ("50000000n", 0.05), ("1n", 0)])
def test_server_keeps_the_deadline(h2, value, least):
    """The client only says the deadline and then waits: the end must come from the server, in time."""
    start = time.monotonic()
    response = h2.call(body=encode("slow"), extra=[("grpc-timeout", value)])
    took = time.monotonic() - start
    assert response.status == h2raw.DEADLINE_EXCEEDED or response.reset == h2raw.CANCEL
    assert least * 0.9 <= took < least + patience(0.5)


@pytest.mark.parametrize("method", ["clientStream", "biStream"])
def test_deadline_of_a_waiting_handler(h2, method):
    """The handler waits for requests that do not come."""
    stream = h2.request(method, ADA, end=False, extra=[("grpc-timeout", "100m")])
    response = h2.response(stream)
    assert response.status == h2raw.DEADLINE_EXCEEDED or response.reset == h2raw.CANCEL


def test_deadline_of_a_parked_writer(server):
    """The handler waits for a reader whose window is shut."""
    with H2(server, window=1000, credit=False) as h2:
        stream = h2.request("serverStream", encode("count:1000000"), extra=[("grpc-timeout", "200m")])
        response = h2.response(stream)
        assert response.status == h2raw.DEADLINE_EXCEEDED or response.reset == h2raw.CANCEL
        h2.works()


@pytest.mark.parametrize("method, status", [
    ("sayHello", UNIMPLEMENTED), ("serverStream", UNIMPLEMENTED), ("clientStream", OK), ("biStream", OK)])
@pytest.mark.parametrize("frames", ["headers", "data"])
def test_no_message(h2, method, status, frames):
    """The end comes with HEADERS or in an empty DATA frame: without a request either way."""
    response = h2.call(method, None if frames == "headers" else b"")
    assert response.status == status
    assert decode(response.data) == ([""] if method == "clientStream" else [])


@pytest.mark.parametrize("method", ["sayHello", "clientStream", "serverStream", "biStream"])
def test_request_trailers_are_tolerated(h2, method):
    stream = h2.request(method, ADA, end=False)
    h2.send(h2.headers_frame(stream, [("x-checksum", "17")], END_HEADERS | END_STREAM))
    assert h2.response(stream).status == OK


def test_unary_response_form(h2):
    """HEADERS, DATA, HEADERS with END_STREAM; `grpc-status: 0` in the trailers alone."""
    response = h2.call(body=ADA)
    assert response.frames[0] == h2raw.HEADERS and response.frames[-1] == h2raw.HEADERS
    assert set(response.frames[1:-1]) == {h2raw.DATA}
    assert "grpc-status" not in response.headers and response.trailers["grpc-status"] == "0"
    assert ":status" not in response.trailers


def test_error_is_trailers_only_and_percent_coded(h2):
    response = h2.call(body=encode("fail"))
    assert response.trailers_only and response.status == h2raw.INVALID_ARGUMENT
    assert response.message == "bad name: 100%25 n%C3%A9"


def test_early_error_ends_the_stream(h2):
    """The handler fails while the client may still send: the trailers come, then the stream is let go."""
    stream = h2.request("biStream", encode("Ada", "fail"), end=False)
    response = h2.response(stream)
    assert (response.status, response.message) == (h2raw.ABORTED, "stop")
    h2.read_until(lambda: response.reset is not None, what="RST_STREAM after the trailers")
    assert response.reset in (h2raw.NO_ERROR, h2raw.CANCEL)
    h2.data(stream, encode("late"))  # crossed the reset on the wire: a matter of that stream only
    h2.works()


@pytest.mark.parametrize("body, method, status", [
    (encode("Ada", "fail"), "biStream", h2raw.ABORTED), (ADA, "noSuchMethod", UNIMPLEMENTED)],
                         ids=["a handler's error", "an unknown method"])
def test_dubbo_python_is_not_reset(h2, body, method, status):
    """The same with the content type of Dubbo-Python, which resets a failed call itself: no RST_STREAM comes."""
    stream = h2.request(method, body, end=False, content_type="application/grpc+data")
    assert h2.response(stream).status == status
    h2.works()  # whatever followed the trailers came before this
    h2.data(stream, ADA, end=True)
    h2.works()
    assert h2.streams[stream].reset is None


def test_cancel_then_late_data(h2):
    """DATA that a client had queued when it reset its stream is no error of the connection."""
    for method in ("sayHello", "clientStream", "serverStream", "biStream"):
        stream = h2.request(method, encode("slow" if method == "sayHello" else "Ada"), end=False)
        h2.send(h2raw.rst_stream(stream) + h2.data_frames(stream, ADA) + h2raw.window_update(stream, 1000))
    h2.works()


def test_cancel_at_every_moment(h2):
    """A reset after each single frame of a call, a hundred times."""
    for number in range(100):
        stream = h2.open_stream()
        whole = [h2.headers_frame(stream, h2.fields("biStream")), h2.data_frames(stream, ADA[:3]),
                 h2.data_frames(stream, ADA[3:]), h2.data_frames(stream, b"", end=True)]
        h2.send(b"".join(whole[:1 + number % 4]) + h2raw.rst_stream(stream))
    h2.works()


def test_large_windows_at_once(server):
    """Before it has read a byte, the server announces 1 MiB for each stream and 16 MiB for the connection."""
    with H2(server, hello=False, ack=False) as h2:
        first, second = h2.read_frame(), h2.read_frame()
        assert first.kind == h2raw.SETTINGS
        assert h2.settings[h2raw.INITIAL_WINDOW] >= 2**20
        assert h2.settings[h2raw.MAX_STREAMS] == 256
        assert (second.kind, second.stream) == (h2raw.WINDOW_UPDATE, 0)
        assert second.number() + 65535 >= 2**24
        h2.send(h2raw.PREFACE + h2raw.settings() + h2raw.frame(h2raw.SETTINGS, h2raw.ACK, 0))
        h2.works()


def open_streams(h2, count):
    """Bidi calls that stay open, each with its first reply in."""
    streams = [h2.request("biStream", ADA, end=False) for _ in range(count)]
    h2.read_until(lambda: all(h2.streams[stream].data for stream in streams), 20, "the first replies")
    return streams


def test_too_many_streams(server):
    """The 257th stream is refused, the 256 are not disturbed, and a free place can be taken again."""
    with H2(server) as h2:
        streams = open_streams(h2, 256)
        assert h2.response(h2.request("biStream", ADA)).reset == h2raw.REFUSED_STREAM
        for stream in streams[:128]:
            h2.data(stream, ADA, end=True)
        for stream in streams[:128]:
            assert decode(h2.response(stream).data) == ["Hello, Ada!"] * 2
        for stream in streams[128:]:
            h2.send(h2raw.rst_stream(stream))

        def has_room():
            return h2.call(body=ADA).status == OK
        wait_until(has_room, what="room for new streams")
        open_streams(h2, 100)


def header_list(size):
    """Fields of one kilobyte each, `size` bytes by HTTP/2's way of counting."""
    return [(f"x-filler-{number:03}", "f" * (1024 - 32 - 12)) for number in range(size // 1024)]


@pytest.mark.parametrize("extra", [header_list(9 * 1024), header_list(20 * 1024), [("x-many", str(n)) for n in range(140)]],
                         ids=["9 KiB", "20 KiB", "140 fields"])
def test_header_list_too_large(h2, extra):
    response = h2.call(body=ADA, extra=extra)
    assert response.http == 431 or response.status == h2raw.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("extra", [header_list(6 * 1024), [("x-many", str(n)) for n in range(100)]], ids=["6 KiB", "100 fields"])
def test_header_list_with_room(h2, extra):
    assert h2.call(body=ADA, extra=extra).status == OK


def test_headers_in_continuation(h2):
    """A header block may come in pieces of any size."""
    stream = h2.open_stream()
    block = h2.encoder.encode(h2.fields())
    pieces = [block[:1], block[1:2], b"", block[2:20], block[20:]]
    for number, piece in enumerate(pieces):
        flags = END_HEADERS if number == len(pieces) - 1 else 0
        h2.frame(h2raw.CONTINUATION if number else h2raw.HEADERS, flags, stream, piece)
    h2.data(stream, ADA, end=True)
    assert h2.response(stream).status == OK
