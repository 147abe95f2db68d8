"""Dubbo-Python's own client, unchanged, in a process of its own: dubbo_client.py HOST:PORT SERVICE KIND

Runs every case of that kind and prints one line of JSON for each: {"case": NAME, "error": null or TEXT}.
It is a process of its own because the client cannot be closed, keeps threads, and waits without a limit
when a reply is missing; whoever starts this must limit its time. The last line is printed before it ends
itself the hard way. (A streaming call of this client sees an error only as the end of the stream.)
"""
import json
import os
import sys
import threading
import traceback

import dubbo
from dubbo.classes import EOF
from dubbo.configs import ReferenceConfig
from dubbo.protocol.triple.exceptions import RpcError, StatusRpcError

from greeter import Reply, Request, expected

NAMES = ["Ada", "Grace", "Zoë 😀"]
MANY = [f"n{number}" for number in range(900)]  # the client loses replies beyond 1,000 that nobody has read yet


def requests(names):
    return [Request(name=name) for name in names]


def drain(stream, timeout=None):
    """All messages until the end; with a timeout, `None` for each time that nothing came is left out."""
    messages = []
    while (reply := stream.read() if timeout is None else stream.read(timeout)) is not EOF:
        if reply is not None:
            messages.append(reply.message)
    assert stream.read() is EOF, "the end does not stay"
    return messages


def write_all(stream, names):
    for request in requests(names):
        stream.write(request)
    stream.done_writing()


def same(got, want):
    assert got == want, f"{str(got)[:300]} instead of {str(want)[:300]}"


def raises(kind, words, function):
    """The function must raise that error, with these words in its text."""
    try:
        function()
    except kind as error:
        assert all(word in str(error) for word in words), str(error)
    else:
        raise AssertionError(f"no {kind.__name__}")


def unary_cases(client, stub):
    def ask(name):
        return stub(Request(name=name)).message

    def from_threads():
        failures = []

        def work(number):
            for turn in range(10):
                name = f"t{number}n{turn}"
                if ask(name) != f"Hello, {name}":
                    failures.append(name)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        same(failures, [])

    missing = client.unary("noSuchMethod", Request.SerializeToString, Reply.FromString)
    return {
        "replies": lambda: same([ask(name) for name in NAMES], ["Hello, " + name for name in NAMES]),
        "empty name": lambda: same(ask(""), "Hello, "),
        "a megabyte": lambda: same(ask("x" * 2**20), "Hello, " + "x" * 2**20),
        "one after the other": lambda: same([ask(name) for name in MANY[:200]], ["Hello, " + name for name in MANY[:200]]),
        "from ten threads": from_threads,
        "error": lambda: raises(StatusRpcError, ["INVALID_ARGUMENT", "bad name"], lambda: ask("fail")),
        "unknown method": lambda: raises(StatusRpcError, ["UNIMPLEMENTED"], lambda: missing(Request(name="Ada"))),
        "works after errors": lambda: same(ask("Ada"), "Hello, Ada"),
    }


def client_stream_cases(client, stub):
    def iterated(names):
        same([stub(iter(requests(names))).read().message], expected("clientStream", names))

    def written(names):
        stream = stub()
        write_all(stream, names)
        same([stream.read().message], expected("clientStream", names))
        same(drain(stream), [])

    def write_after_the_end():
        stream = stub()
        write_all(stream, ["Ada"])
        raises(RpcError, ["done writing"], lambda: stream.write(Request(name="late")))
        same(stream.can_write_more(), False)
        same(stream.read().message, "Ada ")

    return {
        "iterator": lambda: iterated(NAMES),
        "iterator of 900": lambda: iterated(MANY),
        "written": lambda: written(NAMES),
        "written, 900": lambda: written(MANY),
        "one request": lambda: written(["Ada"]),
        "empty names between": lambda: written(["Ada", "", "", "Grace"]),
        "no request": lambda: written([]),
        "write after the end": write_after_the_end,
    }


def server_stream_cases(client, stub):
    words = " ".join(MANY)

    def timed():
        stream = stub(Request(name="one two three"))
        same(drain(stream, timeout=0.05), ["one", "two", "three"])

    missing = client.server_stream("noSuchMethod", Request.SerializeToString, Reply.FromString)
    return {
        "iterated": lambda: same([reply.message for reply in stub(Request(name="one two three"))], ["one", "two", "three"]),
        "iterated, 900": lambda: same([reply.message for reply in stub(Request(name=words))], MANY),
        "read": lambda: same(drain(stub(Request(name="one two three"))), ["one", "two", "three"]),
        "read with a timeout": timed,
        "counted": lambda: same(drain(stub(Request(name="count:900"))), [str(number) for number in range(900)]),
        "nothing": lambda: same(drain(stub(Request(name=""))), []),
        "unknown method": lambda: same(drain(missing(Request(name="Ada"))), []),
    }


def bi_stream_cases(client, stub):
    def iterated(names):
        same(drain(stub(iter(requests(names)))), expected("biStream", names))

    def written(names):
        stream = stub()
        write_all(stream, names)
        same(drain(stream), expected("biStream", names))

    def turn_by_turn():
        stream = stub()
        for name in NAMES * 20:
            stream.write(Request(name=name))
            same(stream.read().message, f"Hello, {name}!")
        stream.done_writing()
        same(drain(stream), [])

    def timeouts():
        """None means that nothing has come yet, and the stream goes on; EOF comes after the end alone."""
        stream = stub()
        same(stream.read(timeout=0.05), None)
        for name in NAMES:
            stream.write(Request(name=name))
            same(stream.read(timeout=20).message, f"Hello, {name}!")
            same(stream.read(timeout=0.05), None)
        stream.done_writing()
        assert stream.read(timeout=20) is EOF, "no EOF after the end"

    def side_by_side():
        streams = [stub() for _ in range(20)]
        for turn in range(5):
            for number, stream in enumerate(streams):
                stream.write(Request(name=f"s{number}t{turn}"))
        for stream in streams:
            stream.done_writing()
        for number, stream in enumerate(streams):
            same(drain(stream), [f"Hello, s{number}t{turn}!" for turn in range(5)])

    return {
        "iterator": lambda: iterated(NAMES),
        "iterator of 900": lambda: iterated(MANY),
        "written": lambda: written(NAMES),
        "empty names between": lambda: written(["Ada", "", "Grace"]),
        "no request": lambda: written([]),
        "turn by turn": turn_by_turn,
        "read with a timeout": timeouts,
        "side by side": side_by_side,
        "error is the end": lambda: same(drain(stub(iter(requests(["Ada", "fail"])))), ["Hello, Ada!"]),
    }


KINDS = {
    "unary": ("sayHello", unary_cases),
    "client_stream": ("clientStream", client_stream_cases),
    "server_stream": ("serverStream", server_stream_cases),
    "bi_stream": ("biStream", bi_stream_cases),
}


def main(target, service, kind):
    client = dubbo.Client(ReferenceConfig.from_url(f"tri://{target}/{service}"))
    method, cases = KINDS[kind]
    stub = getattr(client, kind)(method, Request.SerializeToString, Reply.FromString)
    for name, case in cases(client, stub).items():
        try:
            case()
            error = None
        except BaseException:
            error = traceback.format_exc()
        print(json.dumps({"case": name, "error": error}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
