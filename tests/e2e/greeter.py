"""The messages and methods of apps/greeter/greeter.proto, made from the .proto itself at run time.

protoc turns the file into a descriptor set, from which the protobuf runtime builds the classes: so no
generated Python is kept, and any protoc goes with any protobuf runtime.
"""
import os
import subprocess
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PROTO = Path(__file__).resolve().parents[2] / "apps" / "greeter" / "greeter.proto"
SERVICE = "org.apache.dubbo.samples.proto.Greeter"  # the name in the .proto
DATA_SERVICE = "org.apache.dubbo.samples.data.Greeter"  # the name in Dubbo-Python's samples


def load_messages():
    """Returns the two message classes: GreeterRequest and GreeterReply."""
    protoc = os.environ.get("PROTOC", "protoc")
    command = [protoc, f"--proto_path={PROTO.parent}", "--descriptor_set_out=/dev/stdout", PROTO.name]
    files = descriptor_pb2.FileDescriptorSet.FromString(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    package = files.file[-1].package
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
            for name in ("GreeterRequest", "GreeterReply")]


Request, Reply = load_messages()

# The four kinds: method -> (the client streams, the server streams).
KINDS = {
    "sayHello": (False, False),
    "clientStream": (True, False),
    "serverStream": (False, True),
    "biStream": (True, True),
}


def path(method, service=SERVICE):
    """The :path of a method."""
    return f"/{service}/{method}"


def encode(*names):
    """Requests as they go into DATA frames, each behind its five bytes of prefix."""
    return b"".join(frame(Request(name=name).SerializeToString()) for name in names)


def frame(payload, flag=0):
    """One message with gRPC's prefix: the flag and a length of four bytes."""
    return bytes([flag]) + len(payload).to_bytes(4, "big") + payload


def decode(data):
    """The replies in the body of a response, as strings. Fails on an incomplete or a flagged one."""
    replies, at = [], 0
    while at < len(data):
        end = at + 5 + int.from_bytes(data[at + 1:at + 5], "big")
        assert data[at] == 0 and end <= len(data), f"a broken message: {data[at:at + 40]!r}"
        replies.append(Reply.FromString(bytes(data[at + 5:end])).message)
        at = end
    return replies


def expected(kind, names):
    """What the greeter replies to these names, in each kind of call."""
    if kind == "sayHello":
        return ["Hello, " + names[0]]
    if kind == "clientStream":
        return ["".join(name + " " for name in names)]
    if kind == "serverStream":
        return names[0].split()
    return [f"Hello, {name}!" for name in names]
