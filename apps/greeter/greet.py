#!/usr/bin/python3
"""Calls a greeter server in all four ways and prints what comes back: greet.py PORT

It needs Debian's python3-grpcio and nothing generated: both messages are one string, field 1.
"""

import sys

import grpc

SERVICE = "/org.apache.dubbo.samples.proto.Greeter/"
TIMEOUT = 10


def pack(text):
    data = text.encode()
    assert len(data) < 128, "a length of one byte is all that this client writes"
    return bytes([0x0A, len(data)]) + data if data else b""


def unpack(data):
    assert not data or (data[0] == 0x0A and data[1] == len(data) - 2 < 128), data
    return data[2:].decode()


def main():
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit("usage: greet.py PORT")
    coders = {"request_serializer": pack, "response_deserializer": unpack}
    failed = False

    def show(method, asked, replies, wanted):
        nonlocal failed
        good = replies == wanted
        failed = failed or not good
        print(f"{method:13} {asked} -> {replies}" + ("" if good else f", not {wanted}"))

    names = ["Ada", "Grace", "Mary"]
    with grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}") as channel:
        call = channel.unary_unary(SERVICE + "sayHello", **coders)
        show("sayHello", names[0], call(names[0], timeout=TIMEOUT), "Hello, Ada")

        call = channel.stream_unary(SERVICE + "clientStream", **coders)
        show("clientStream", names, call(iter(names), timeout=TIMEOUT), "Ada Grace Mary ")

        call = channel.unary_stream(SERVICE + "serverStream", **coders)
        show("serverStream", " ".join(names), list(call(" ".join(names), timeout=TIMEOUT)), names)

        call = channel.stream_stream(SERVICE + "biStream", **coders)
        show("biStream", names, list(call(iter(names), timeout=TIMEOUT)),
             [f"Hello, {name}!" for name in names])
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except grpc.RpcError as error:
        sys.exit(f"greet.py: {error.code().name}: {error.details()}")
