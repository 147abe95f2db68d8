"""Options and fixtures of the end-to-end tests. The way to run them is tests/e2e/run."""
import os
import shutil
from pathlib import Path

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import pytest

import harness

PLACEMENTS = ("workers", "inline")
PROGRAMS = ("contract-server", "greeter-server")


def pytest_addoption(parser):
    parser.addoption("--bin", required=True, help="the directory of greeter-server and contract-server")


def pytest_configure(config):
    directory = Path(config.getoption("--bin"))
    missing = [name for name in PROGRAMS if not (directory / name).is_file()]
    if missing:
        pytest.exit(f"{directory} has no {' and no '.join(missing)}: build it first", returncode=2)
    harness.build = harness.sanitizer_of(directory / PROGRAMS[0])


def pytest_report_header(config):
    return f"programs: {config.getoption('--bin')} ({harness.build})"


def skips_are_failures():
    """Whether nothing may be left out here."""
    return os.environ.get("CI") in ("true", "1") or os.environ.get("TRIREME_NO_SKIP") == "1"


def pytest_sessionfinish(session, exitstatus):
    """A run that skipped all its tests says so (77); where skips are failures, one is enough (1)."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", []))
    if exitstatus == 0 and skipped and skips_are_failures():
        session.exitstatus = 1
    elif exitstatus == 0 and skipped and not reporter.stats.get("passed"):
        session.exitstatus = 77


def pytest_terminal_summary(terminalreporter, exitstatus):
    if terminalreporter.stats.get("skipped") and exitstatus and skips_are_failures():
        terminalreporter.write_line("Nothing may be skipped here (CI or TRIREME_NO_SKIP is set).", red=True)


@pytest.fixture(scope="session")
def programs(request):
    """The directory of the programs under test."""
    return Path(request.config.getoption("--bin"))


@pytest.fixture(scope="module", params=PLACEMENTS)
def placement(request):
    return request.param


@pytest.fixture(scope="module")
def server(programs, placement):
    """A contract-server that the tests of a file share, for each placement; it must end quickly and well."""
    process = harness.ContractServer(programs, placement)
    yield process
    process.stop()


@pytest.fixture
def start(programs):
    """Starts servers that belong to one test: start(placement, ...). The test stops them itself."""
    started = []

    def contract_server(placement="workers", **arguments):
        started.append(harness.ContractServer(programs, placement, **arguments))
        return started[-1]

    yield contract_server
    for process in started:
        process.kill()


@pytest.fixture
def greeter(programs):
    """Starts greeter-servers that belong to one test: greeter("--placement", "inline", listen=[...])."""
    started = []

    def greeter_server(*arguments, **options):
        started.append(harness.GreeterServer(programs, *arguments, **options))
        return started[-1]

    yield greeter_server
    for process in started:
        process.kill()


@pytest.fixture
def tool():
    """Finds a program of the system, such as h2load, or skips the test."""
    def find(name, package):
        found = shutil.which(name)
        if not found:
            pytest.skip(f"{name} is missing (Debian package {package})")
        return found
    return find
