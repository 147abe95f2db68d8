"""Calls both methods of project/words.proto on a Unix socket: call.py SOCKET"""

import sys

try:
    import grpc
except ImportError:
    print("python3-grpcio is not installed")
    sys.exit(77)


def pack(text):
    return bytes([0x0A, len(text)]) + text.encode()


def unpack(data):
    return data[2:].decode()


coders = {"request_serializer": pack, "response_deserializer": unpack}
options = {"timeout": 20, "wait_for_ready": True}
with grpc.insecure_channel(f"unix:{sys.argv[1]}") as channel:
    reply = channel.unary_unary("/words.Words/Shout", **coders)("hello", **options)
    assert reply == "hello!", reply
    replies = channel.stream_stream("/words.Words/Echo", **coders)(iter(["one", "two"]), **options)
    assert list(replies) == ["one", "two"]
