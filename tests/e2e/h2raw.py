"""A small HTTP/2 client that sends what it is told, right or wrong, and shows what comes back.

Frames are made by hand; only HPACK comes from a package (hpack). Nothing here protects the caller: a
frame may carry any type, flag, stream and payload.
"""
import socket
import time
from dataclasses import dataclass, field

import hpack

from greeter import encode, path
from harness import patience

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = 5, 6, 7, 8, 9
ENHANCE_YOUR_CALM = 11
MAX_STREAMS, INITIAL_WINDOW = 3, 4  # settings
MAX_ID = 2**31 - 1

# gRPC status codes
OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED = 0, 3, 4, 8, 10
UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 12, 13, 14


def frame(kind, flags, stream, payload=b""):
    """One frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def settings(**values):
    """A SETTINGS frame: settings(_4=65535) sets INITIAL_WINDOW_SIZE."""
    payload = b"".join(int(key[1:]).to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in values.items())
    return frame(SETTINGS, 0, 0, payload)


def window_update(stream, increment):
    """A WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


def rst_stream(stream, code=CANCEL):
    """A RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


class Closed(Exception):
    """The server has closed the connection, or reset it."""


@dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes
    fields: list = None  # of HEADERS, decoded

    def number(self, offset=0):
        """Four bytes of the payload as a number."""
        return int.from_bytes(self.payload[offset:offset + 4], "big")


@dataclass
class Response:
    """What has come back on one stream."""
    headers: dict = None
    trailers: dict = None  # the same dict as `headers` in a response of one HEADERS frame
    data: bytearray = field(default_factory=bytearray)
    reset: int = None  # the code of RST_STREAM
    ended: bool = False
    frames: list = field(default_factory=list)  # their types, in order

    @property
    def status(self):
        """grpc-status as a number; None when there is none."""
        value = (self.trailers or {}).get("grpc-status")
        return None if value is None else int(value)

    @property
    def http(self):
        """:status as a number; None when there was no response."""
        return int(self.headers[":status"]) if self.headers else None

    @property
    def message(self):
        return self.trailers.get("grpc-message", "")

    @property
    def trailers_only(self):
        return self.frames == [HEADERS] and self.ended


class H2:
    """One connection. Acknowledges SETTINGS and PING and opens windows again, unless told not to.

    `window` is the receive window of each stream, `connection_window` that of the connection.
    """

    def __init__(self, server, window=65535, connection_window=2**24, ack=True, credit=True, hello=True,
                 receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(patience(10))
        self.socket.connect((server.host, server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ack, self.credit = ack, credit
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.decoder.max_header_list_size = 2**20
        self.buffer = bytearray()
        self.next_stream = 1
        self.streams = {}  # id -> Response
        self.settings = {}  # of the server
        self.goaways = []  # (last stream, code)
        self.pings = []  # payloads of acknowledgements
        self.eof = False
        if hello:
            more = connection_window - 65535
            self.send(PREFACE + settings(_2=0, _4=window) + (window_update(0, more) if more else b""))

    # Sending

    def send(self, data):
        """Bytes as they are. Raises Closed when the server has gone."""
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Closed(str(error)) from error

    def frame(self, *arguments):
        self.send(frame(*arguments))

    def open_stream(self):
        """A stream number that has not been used."""
        number = self.next_stream
        self.next_stream += 2
        self.streams[number] = Response()
        return number

    def fields(self, method="sayHello", extra=(), **changes):
        """The header list of a request. A change with the value None leaves the field out."""
        changes = {name.replace("_", "-"): value for name, value in changes.items()}
        pseudo = {":method": "POST", ":scheme": "http", ":path": path(method), ":authority": "test"}
        plain = {"content-type": "application/grpc", "te": "trailers"}
        for name in list(changes):
            target = pseudo if ":" + name in pseudo else plain
            target[":" + name if target is pseudo else name] = changes.pop(name)
        return [(name, value) for name, value in [*pseudo.items(), *plain.items()] if value is not None] + list(extra)

    def headers_frame(self, stream, fields, flags=END_HEADERS):
        return frame(HEADERS, flags, stream, self.encoder.encode(fields))

    def request(self, method="sayHello", body=None, end=True, **options):
        """HEADERS and, unless `body` is None, one DATA frame for each 16,384 bytes. Returns the stream."""
        stream = self.open_stream()
        flags = END_HEADERS | (END_STREAM if body is None and end else 0)
        out = self.headers_frame(stream, self.fields(method, **options), flags)
        self.send(out + (self.data_frames(stream, body, end) if body is not None else b""))
        return stream

    @staticmethod
    def data_frames(stream, body, end=False, size=16384):
        """The bytes as DATA frames of at most `size` bytes."""
        pieces = [body[at:at + size] for at in range(0, len(body), size)] or [b""]
        return b"".join(frame(DATA, END_STREAM if end and number == len(pieces) - 1 else 0, stream, piece)
                        for number, piece in enumerate(pieces))

    def data(self, stream, body, end=False, size=16384):
        self.send(self.data_frames(stream, body, end, size))

    # Receiving

    def read_frame(self, seconds=10.0):
        """The next frame, already taken into account; None when there is none in time; raises Closed."""
        end = time.monotonic() + (patience(seconds) if seconds else 0)
        while True:
            if len(self.buffer) >= 9:
                length = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) >= 9 + length:
                    break
            if self.eof:
                raise Closed("end of the connection")
            self.socket.settimeout(max(end - time.monotonic(), 0.0001))
            try:
                received = self.socket.recv(262144)
            except TimeoutError:
                return None
            except OSError:
                received = b""
            finally:
                self.socket.settimeout(patience(10))
            self.eof = not received
            self.buffer += received
        head, payload = self.buffer[:9], bytes(self.buffer[9:9 + length])
        del self.buffer[:9 + length]
        arrived = Frame(head[3], head[4], int.from_bytes(head[5:9], "big") & MAX_ID, payload)
        self._take(arrived)
        return arrived

    def _take(self, arrived):
        response = self.streams.setdefault(arrived.stream, Response()) if arrived.stream else None
        if response is not None and arrived.kind in (HEADERS, DATA):
            response.frames.append(arrived.kind)
            response.ended = bool(arrived.flags & END_STREAM)
        if arrived.kind == HEADERS:
            assert arrived.flags & END_HEADERS, "a response whose headers need CONTINUATION"
            arrived.fields = self.decoder.decode(arrived.payload)
            if response.headers is None:
                response.headers = dict(arrived.fields)
            if response.ended:
                response.trailers = dict(arrived.fields)
        elif arrived.kind == DATA:
            response.data += arrived.payload
            if self.credit and arrived.payload:
                more = b"" if response.ended else window_update(arrived.stream, len(arrived.payload))
                self._try_send(more + window_update(0, len(arrived.payload)))
        elif arrived.kind == RST_STREAM:
            response.reset = arrived.number()
        elif arrived.kind == SETTINGS and not arrived.flags & ACK:
            for at in range(0, len(arrived.payload), 6):
                self.settings[int.from_bytes(arrived.payload[at:at + 2], "big")] = arrived.number(at + 2)
            if self.ack:
                self._try_send(frame(SETTINGS, ACK, 0))
        elif arrived.kind == PING:
            if arrived.flags & ACK:
                self.pings.append(arrived.payload)
            elif self.ack:
                self._try_send(frame(PING, ACK, 0, arrived.payload))
        elif arrived.kind == GOAWAY:
            self.goaways.append((arrived.number() & MAX_ID, arrived.number(4)))

    def _try_send(self, data):
        try:
            self.send(data)
        except Closed:
            pass

    def read_until(self, condition, seconds=10.0, what="it"):
        """Reads frames until the condition holds."""
        end = time.monotonic() + patience(seconds)
        while not condition():
            assert time.monotonic() < end, f"{what} did not come; streams: {self.streams}"
            self.read_frame(max((end - time.monotonic()) / patience(1), 0.001))

    def response(self, stream, seconds=10.0):
        """Reads until the stream has ended or was reset. Returns its Response."""
        response = self.streams[stream]
        self.read_until(lambda: response.ended or response.reset is not None, seconds, f"the end of stream {stream}")
        return response

    def call(self, *arguments, seconds=10.0, **options):
        """A request and its response."""
        return self.response(self.request(*arguments, **options), seconds)

    def works(self):
        """A plain call on this connection succeeds."""
        response = self.call("sayHello", encode("again"))
        assert response.status == OK and response.http == 200, response

    def ended(self, seconds=10.0):
        """Reads until the server has closed the connection. Returns the code of its last GOAWAY, or None."""
        end = time.monotonic() + patience(seconds)
        try:
            while time.monotonic() < end:
                self.read_frame(1)
        except Closed:
            return self.goaways[-1][1] if self.goaways else None
        raise AssertionError("the server has not closed the connection")

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
