#!/usr/bin/python3
"""10,000 open streams on 100 connections, from gRPC's own client: streams.py STRESS_SERVER

It needs Debian's python3-grpcio and nothing generated: an empty message asks, any message answers.
"""

import asyncio
import re
import subprocess
import sys
import time

import grpc

CONNECTIONS, EACH = 100, 100
TIMEOUT = 100


async def stream(channel, opened, go_on):
    """One Chat: a reply, a wait until all are open, another reply, the end."""
    call = channel.stream_stream("/stress.Stress/Chat")(timeout=TIMEOUT)
    await call.write(b"")
    assert await call.read() not in (None, grpc.aio.EOF)
    opened.append(1)
    await go_on.wait()
    await call.write(b"")
    assert await call.read() not in (None, grpc.aio.EOF)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    return await call.code()


async def run(port, pid):
    # Without an option of its own, channels to one address share a connection.
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("stress.number", number)])
                for number in range(CONNECTIONS)]
    opened, go_on, start = [], asyncio.Event(), time.monotonic()
    streams = [asyncio.ensure_future(stream(channel, opened, go_on)) for channel in channels for _ in range(EACH)]
    while len(opened) < len(streams) and not any(task.done() for task in streams):
        await asyncio.sleep(0.05)
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        rss = re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)
    print(f"{len(opened)} streams are open after {time.monotonic() - start:.1f} s; the server has {rss} KiB", flush=True)
    go_on.set()
    codes = await asyncio.gather(*streams)
    for channel in channels:
        await channel.close()
    print(f"all ended after {time.monotonic() - start:.1f} s")
    return sum(code is not grpc.StatusCode.OK for code in codes)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: streams.py STRESS_SERVER")
    with subprocess.Popen([sys.argv[1]], stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline().rsplit(":", 1)[1])
            failed = asyncio.run(run(port, server.pid))
            server.terminate()
            counters = dict(zip(*[iter(server.stdout.read().split())] * 2))
            code = server.wait(20)
        finally:
            server.kill()
    print(f"{failed} streams failed; the server: {counters}, exit code {code}")
    wrong = (failed or code or int(counters["started"]) != CONNECTIONS * EACH
             or counters["started"] != counters["finished"] or int(counters["accepted"]) != CONNECTIONS)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
