#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets into corpus/TARGET/, each under a name that says what it is.

What the fuzzer itself has found lies beside them, under its hash. Needs protoc for codegen's seeds.
The layout of an input is described at the head of each target.
"""

import os
import struct
import subprocess
import tempfile

FOLDER = os.path.dirname(os.path.abspath(__file__))


def write(target, name, data):
    folder = os.path.join(FOLDER, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def counted(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def nested(field, levels, inner=b""):
    for _ in range(levels):
        inner = counted(field, inner)
    return inner


def wire():
    texts = {
        "timeout": b"100m", "timeout-long": b"999999999999999999H", "base64": b"AAECAw==", "base64-odd": b"aGk",
        "grpc": b"application/grpc", "proto": b"application/grpc+proto; charset=utf-8", "data": b"Application/gRPC+data",
        "web": b"application/grpc-web", "utf8": "bad name: 100% né 好 🙂 ".encode(), "broken": b"\xff\xed\xa0\x80\xf4\x90\x80\x80\xc2",
        "key": b"x-tri-echo-bin", "reserved": b"grpc-status", "value": b" two  words ", "empty": b"",
    }
    for name, text in texts.items():
        write("wire", name, struct.pack(">H", 9) + text)
        write("wire", name + "-cut", struct.pack(">H", 0xFF00 + 25) + text * 3)


ALL, FLAT, TREE, STRUCT, PING, LEVEL, SOME, EMPTIES, RECORDS, HOLDER, REQUIRED = range(11)


def message():
    flat = counted(1, b"flat") + b"\x10\x07"
    tree = counted(1, b"tree") + counted(2, counted(1, b"left")) + counted(3, b"") * 3
    every = (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05\x18\x01\x20\x7f\x28\x09\x30\x0a" +
             b"\x3d\0\0\0\1" + b"\x41" + b"\1" * 8 + b"\x4d\0\0\0\2" + b"\x51" + b"\2" * 8 +
             b"\x5d\0\0\x80\x3f" + b"\x61" + b"\0" * 6 + b"\xf0\x3f" + b"\x68\x01" + counted(14, b"text") +
             counted(15, b"\0\xff") + b"\x80\x01\x01" + counted(17, flat) + counted(18, b"\x01\xac\x02\x7f") +
             counted(19, b"\x01\x00\x01") + counted(20, b"\0" * 8) + counted(21, b"\0" * 16) + counted(22, b"a") * 2 +
             counted(23, flat) * 2 + counted(24, counted(1, b"key") + b"\x10\x05") + counted(25, b"\0\1") +
             counted(31, flat) + counted(40, tree) + b"\x98\x06\x05" + counted(99, b"unknown"))
    record = b"".join(varint(i << 3) + b"\x01" for i in range(1, 20)) + counted(20, b"x")
    value = counted(4, counted(1, b"\x09" + b"\0" * 8) + counted(1, counted(2, b"text")))
    # Type, depth (128 and above: that much less 128), budget (likewise, of 64 bytes each), failing allocation.
    seeds = {
        "all": (ALL, 0, 0, 0, every), "all-tight": (ALL, 0, 140, 0, every), "all-no-memory": (ALL, 0, 0, 2, every),
        "some-unknown": (SOME, 0, 0, 0, every), "flat": (FLAT, 0, 0, 1, flat), "tree": (TREE, 0, 0, 0, tree),
        "tree-deep": (TREE, 0, 0, 0, nested(2, 101)), "tree-limit": (TREE, 0, 0, 0, nested(3, 100)),
        "tree-shallow": (TREE, 130, 0, 0, nested(2, 3)), "ping": (PING, 132, 0, 0, nested(1, 5)),
        "level": (LEVEL, 130, 0, 0, nested(1, 2, flat)), "holder": (HOLDER, 0, 0, 0, counted(2, tree)),
        "struct": (STRUCT, 0, 0, 0, counted(1, counted(1, b"k") + counted(2, value))),
        "empties": (EMPTIES, 0, 255, 0, b"\x0a\0" * 300), "records": (RECORDS, 0, 0, 0, counted(1, record) * 3),
        "unknown": (FLAT, 0, 200, 0, b"\x48\x00" * 200), "required": (REQUIRED, 0, 0, 0, b"\x0a\x01a\x10\x07\x1a\x04\x0a\x01b\x10"),
        "group": (FLAT, 0, 0, 0, b"\x4b\x4c"), "cut": (ALL, 0, 0, 0, every[:-9]), "huge": (FLAT, 0, 0, 0, b"\x0a\xff\xff\xff\xff\x0f"),
    }
    for name, (kind, depth, budget, fail_at, data) in seeds.items():
        write("message", name, bytes([kind, depth, budget, fail_at]) + data)


def codegen():
    """What protoc would send for each .proto of the tests, with and without comments."""
    protos = os.path.join(FOLDER, "..", "codegen", "protos")
    greeter = os.path.join(FOLDER, "..", "..", "apps", "greeter")
    for folder, name in [(protos, n) for n in sorted(os.listdir(protos)) if n.endswith(".proto")] + [(greeter, "greeter.proto")]:
        for comments in ([], ["--include_source_info"])[:2 if name in ("legacy.proto", "greeter.proto") else 1]:
            with tempfile.NamedTemporaryFile() as out:
                subprocess.run(["protoc", "-I" + folder, "--include_imports", "--descriptor_set_out=" + out.name,
                                *comments, os.path.join(folder, name)], check=True)
                files = read_fields(out.read())
            request = counted(1, name.encode())
            request += counted(2, b"prefix=a_,aliases=off") if comments else b""
            # FileDescriptorSet.file is 1, CodeGeneratorRequest.proto_file 15.
            request += b"".join(counted(15, data) for data in files)
            if len(request) < 6000:
                write("codegen", name.replace(".proto", "-comments" if comments else ""), request)


def frame(kind, flags, stream, payload=b""):
    """A step of the session's target: one byte each for type, flags, stream and size."""
    return bytes([2, kind, flags, stream, len(payload)]) + payload


def request(ends=False, fields=b""):
    return bytes([3, 1 if ends else 0, len(fields)]) + fields


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def session():
    start, feed, send, turn = b"\0", b"\7", b"\x09", b"\x0a\1"
    data = b"\4\0\0\x20" + b"\4\1\0\5"
    wide, tight = 2, 3  # and the same again with the bytes one by one
    at_end, at_headers, never, refuse, reset, bare, at_data = range(7)

    def seed(name, options, answers, *steps):
        answers = bytes((answers * 8)[:8])
        write("session", name, bytes([options]) + answers + start + b"".join(steps))

    def flood(step, times=200):
        return step + b"\5" + bytes([times])

    for number, answer in enumerate((at_end, at_headers, never, refuse, reset, bare, at_data)):
        for body in range(4):
            seed(f"answer-{number}-{body}", wide | number * 12 % 64 << 2 & 0xFC, [answer | body << 3 | (body % 2) * 128],
                 request(), data, feed, send, feed, send)
    seed("unary", wide, [8], request(True), feed, send)
    seed("fields", wide, [8], request(True, literal(b"te", b"trailers") + literal(b"grpc-timeout", b"1S")), feed, send)
    seed("many-fields", wide, [8], request(True, literal(b"a", b"b") * 40), feed, send)
    seed("large-field", wide, [8], request(True, literal(b"a", b"v" * 127) + literal(b"b", b"v" * 100)) * 3, feed, send)
    seed("indexed", wide, [8], request(True, b"\x40\1a\1b"), request(True, b"\xbe" * 100), feed, send)
    seed("bad-hpack", wide, [8], request(True, b"\xff\xff\xff\xff"), feed, send)
    seed("upper-case", wide, [8], request(True, literal(b"A", b"b")), feed, send)
    seed("continuation", wide, [8], request(True)[:1] + b"\5\0", frame(9, 0, 1, b"\x40\1a\1b"), frame(9, 4, 1), feed, send)
    seed("continuations", wide, [8], b"\3\5\0", flood(frame(9, 0, 1, b"\x40\1a\1b"), 20), feed, send)
    seed("trailers", wide, [8], request(), frame(0, 0, 1, b"body"), frame(1, 5, 1, literal(b"x", b"y")), feed, send)
    seed("padded", wide, [8], request(), frame(0, 9, 1, b"\2ab\0\0"), feed, send)
    seed("priority", wide, [8], frame(2, 0, 3, b"\0\0\0\1\x10"), request(True), feed, send)
    seed("priority-itself", wide, [8], frame(2, 0, 3, b"\0\0\0\3\x10"), feed, send)
    seed("held", wide, [8 | 32], request(True), feed, send, b"\x0c\0", send)
    seed("never-answered", wide, [never], request(True), feed, send, b"\x0b\0", send)
    seed("reset-by-us", wide, [never], request(), feed, b"\x0d\0", send, data, feed, send)
    seed("credit", wide, [never], request(), feed, b"\x0e\0\0\xff", send)
    seed("windows", wide, [24], frame(4, 0, 0, b"\0\4\0\0\0\5"), request(True), feed, send,
         frame(8, 0, 1, b"\0\0\4\0"), feed, send, frame(8, 0, 0, b"\0\1\0\0"), feed, send)
    seed("window-overflow", wide, [24], request(), frame(8, 0, 1, b"\x7f\xff\xff\xff") * 2, feed, send)
    seed("ping", wide, [8], frame(6, 0, 0, b"12345678"), frame(6, 1, 0, b"tri drain"[:8]), feed, send)
    seed("goaway", wide, [8], request(), frame(7, 0, 0, b"\0" * 8), data, feed, send)
    seed("drain", wide, [8], request(), feed, b"\x0f\0", send, frame(6, 1, 0, b"tri drai"), data, b"\x0f\3", feed, send)
    seed("terminate", wide, [8], request(), feed, b"\x0f\7", data, feed, send)
    seed("late-data", wide, [reset], request(), feed, send, data * 3, feed, send)
    seed("late-headers", wide, [bare], request(), request(), feed, send, frame(1, 5, 1, b"\x83\x86\x84"), feed, send)
    for options in (wide, tight):
        name = "tight" if options == tight else "wide"
        seed("pings-" + name, options, [8], flood(frame(6, 0, 0, b"12345678")), feed, send)
        seed("settings-" + name, options, [8], flood(frame(4, 0, 0)), feed, send)
        seed("settings-acks-" + name, options, [8], flood(frame(4, 1, 0)), feed, send)
        seed("empty-data-" + name, options, [8], request(), flood(frame(0, 0, 1)), feed, send)
        seed("unknown-" + name, options, [8], flood(frame(11, 0, 1)), feed, send)
        seed("updates-" + name, options, [8], request(), flood(frame(8, 0, 1, b"\0\0\0\1")) * 5, feed, send)
        seed("resets-" + name, options, [never], (request() + request() + frame(3, 0, 1, b"\0\0\0\x08") + feed + turn) * 8, send)
        seed("slow-" + name, options, [16], request(True) + feed, b"\x08\x10" * 30, send)


def call():
    def seed(name, options, fail_at, opening, *steps):
        steps = b"".join(steps)
        # What stands at the back are the handlers' decisions, the last one first; 0 takes the next message.
        write("call", name, bytes([options, fail_at]) + opening + steps + b"\0" * 40)

    plain, dubbo, timed = b"\0\0" * 3, b"\0\1" * 3, b"\0\x90" * 3
    fields = b"\2\0\3abc\1\7aGk,aGk\0" + b"\1\3\4grpc\0" + b"\1\2\3???\0"
    text, large, all_, both, worker, reactor, end = b"\1\x10", b"\2\xea\x60", b"\x08\xff\xff", b"\3", b"\4", b"\5", b"\x0b"

    def on(number, steps, widths):
        """The steps of call number 0; the same for another, whose number is in the high bits."""
        out = bytearray(steps)
        at = 0
        for width in widths:
            out[at] |= number << 4
            at += width
        return bytes(out)

    for kind in range(0, 128, 8):
        for inline in (0, 1):
            seed(f"text-{kind}-{inline}", kind | inline, 0, plain, text, all_, both, end, both, b"\x09\xff" * 4)
    seed("fields", 0, 0, fields, text, all_, both, end, both)
    seed("dubbo", 0, 0, dubbo, text, b"\0\5\0\0\0\0\0", all_, both, end, both)
    seed("timed", 0, 0, timed, text, all_, both, b"\6\xff", both, b"\x09\xff")
    seed("cut", 0, 0, plain, text, b"\7\3" * 9, both, end, both)
    seed("large", 0, 0, plain, large, all_, both, all_, both, end, both)
    seed("large-budget", 2, 0, plain, large, on(1, large, [3]), all_, on(1, all_, [3]), both, all_, on(1, all_, [3]), both)
    seed("too-large", 4, 0, plain, large, all_, both, b"\x09\xff")
    seed("claims-4-mib", 0, 0, plain, b"\0\5\0\0\x3f\xff\xff", all_, both, end, both, b"\x09\xff")
    seed("flag", 0, 0, plain, b"\0\5\7\0\0\0\0", all_, both, b"\x09\xff")
    seed("compressed", 0, 0, plain, b"\0\6\1\0\0\0\1a", all_, both, b"\x09\xff")
    seed("half-a-message", 0, 0, plain, b"\0\6\0\0\0\2a", all_, both, end, both, b"\x09\xff")
    seed("no-protobuf", 0, 0, plain, b"\0\x08\0\0\0\3abc", all_, both, b"\x09\xff")
    seed("drained", 0, 0, plain, text, all_, both, b"\x0c", both, b"\x0d", both)
    seed("closed", 0, 0, plain, text, all_, worker, b"\x0e", reactor)
    seed("unlinked", 0, 0, plain, text, all_, worker, b"\x0f", reactor)
    for fail_at in range(193, 203):
        seed(f"no-memory-{fail_at - 192}", 0, fail_at, plain, text, large, all_, both, all_, end, both, b"\x09\xff")


def read_fields(data):
    """The contents of the fields of a message that has nothing but counted ones."""
    at = 0
    while at < len(data):
        at += 1
        size = shift = 0
        while True:
            size |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 0x80:
                break
        yield data[at:at + size]
        at += size


if __name__ == "__main__":
    wire()
    message()
    codegen()
    session()
    call()
