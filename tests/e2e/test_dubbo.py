"""Dubbo's own Python implementation (apache-dubbo), unchanged, against the contract server: all four
kinds, iterator-written and write-written streams, read with a timeout, both names of the service.

Each kind runs in a process of its own with a time limit (dubbo_client.py says why). A case that hangs
takes the rest of its process with it, and shows as the first that has no result.
"""
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from greeter import DATA_SERVICE, SERVICE
from harness import patience

CLIENT = Path(__file__).with_name("dubbo_client.py")

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("dubbo"), reason="apache-dubbo is not in the virtual environment")


@pytest.mark.parametrize("kind, least", [("unary", 8), ("client_stream", 8), ("server_stream", 7), ("bi_stream", 9)])
@pytest.mark.parametrize("service", [SERVICE, DATA_SERVICE], ids=["proto.Greeter", "data.Greeter"])
def test_dubbo_python(server, service, kind, least):
    """Every case of one kind; `least` is how many there are."""
    child = subprocess.Popen([sys.executable, CLIENT, server.target, service, kind], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    try:
        out, err = child.communicate(timeout=patience(20))
        end = f"exit code {child.returncode}"
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        end = "a hang"
    results = [json.loads(line) for line in out.splitlines() if line.startswith('{"case"')]
    failed = [f"{result['case']}: {result['error']}" for result in results if result["error"]]
    assert not failed, "\n".join(failed)
    assert len(results) == least, f"{end} after {[result['case'] for result in results]}\n{err[-3000:]}"
