"""grpcio clients for the greeter, and what is needed to disturb them."""
import queue
import socket
import struct
import threading

import grpc

from greeter import KINDS, SERVICE, Reply, Request, path
from harness import patience, wait_until

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Greeter:
    """A channel of its own with the four methods; `with Greeter(target) as greeter:` closes it.

    `call(kind, names)` speaks to any method as if both sides streamed, which is the same on the wire
    and lets a test send too few or too many requests.
    """

    def __init__(self, target, service=SERVICE, options=()):
        self.channel = grpc.insecure_channel(target, options=UNLIMITED + [("grpc.use_local_subchannel_pool", 1)] + list(options))
        self.service = service
        for kind, (requests_stream, replies_stream) in KINDS.items():
            form = f"{'stream' if requests_stream else 'unary'}_{'stream' if replies_stream else 'unary'}"
            setattr(self, kind, self.method(kind, form))

    def method(self, name, form="stream_stream", serializer=Request.SerializeToString):
        """A method in the form that the caller wants."""
        return getattr(self.channel, form)(path(name, self.service), request_serializer=serializer,
                                           response_deserializer=Reply.FromString)

    def ask(self, kind, names, timeout=10.0):
        """A call in the method's own form. Returns the replies as a list of strings."""
        requests_stream, replies_stream = KINDS[kind]
        requests = (Request(name=name) for name in names)
        reply = getattr(self, kind)(requests if requests_stream else next(requests), timeout=patience(timeout))
        return [message.message for message in reply] if replies_stream else [reply.message]

    def call(self, kind, requests, timeout=10.0, **options):
        """A call with both sides as streams: `requests` is a list of names or any iterator of requests."""
        if isinstance(requests, (list, tuple)):
            requests = iter([Request(name=name) for name in requests])
        return self.method(kind)(requests, timeout=patience(timeout), **options)

    def works(self):
        """The connection is still of use."""
        assert self.ask("sayHello", ["again"]) == ["Hello, again"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()


class Feed:
    """Requests that are written one by one: an iterator for grpcio. Must be closed (`with`)."""

    def __init__(self):
        self.queue = queue.Queue()

    def write(self, name):
        self.queue.put(Request(name=name))

    def done_writing(self):
        self.queue.put(None)

    def __iter__(self):
        return self

    def __next__(self):
        request = self.queue.get()
        if request is None:
            raise StopIteration
        return request

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.done_writing()


def texts(replies):
    """The replies of a call as strings."""
    return [reply.message for reply in replies]


def outcome(call):
    """How a streaming call ends: (code, details)."""
    try:
        for _ in call:
            pass
    except grpc.RpcError:
        pass
    return call.code(), call.details() or ""


class Proxy:
    """Stands between client and server on loopback and can cut all connections with a TCP reset."""

    def __init__(self, host, port):
        self.upstream = (host, port)
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.target = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.forwarded = 0  # bytes from the client to the server
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.upstream)
            except OSError:
                return
            self.sockets += [client, server]
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source, sink, count):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
                self.forwarded += len(data) if count else 0
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def settled(self):
        """Waits until the client has sent something and then nothing for a moment: its call is out."""
        wait_until(lambda: self.forwarded > 100, what="traffic from the client")
        seen = -1
        while seen != self.forwarded:
            seen = self.forwarded
            threading.Event().wait(patience(0.03))

    def cut(self):
        """Resets every connection, in the middle of whatever it carries."""
        for each in self.sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                each.shutdown(socket.SHUT_RD)  # lets the pump go, which holds the socket open
            except OSError:
                pass
            each.close()
        self.sockets.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.cut()
