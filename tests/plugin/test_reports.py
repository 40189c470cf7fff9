"""What a failing test tells besides its own failure."""

from __future__ import annotations

import gc
import logging
import re
import socket
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
from kazoo.client import KazooClient

from pytest_zkdict import evidence
from pytest_zkdict.kazoo_log import LINES, RequestLog
from zkfake import FakeZooKeeper

QUIET = ("-p", "no:cacheprovider", "-Wdefault")

FAILS = """
import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

def test_it(zk_client, zk_client_factory, zk_hosts):
    other = zk_client_factory(auth_data=[("digest", "bob:secret")])
    own = KazooClient(zk_hosts)
    own.start()
    try:
        zk_client.create("/orders/1", b"tea", makepath=True)
        other.create("/lock", b"x" * 100, ephemeral=True)
        zk_client.get("/orders", watch=print)
        with pytest.raises(NoNodeError):
            own.set("/gone", b"")
        assert other.get("/orders/1")[0] == b"coffee"
    finally:
        own.stop()
        own.close()
"""


def sections(text: str) -> dict[str, str]:
    """The sections of the report of the one failure."""
    _, *parts = re.split(
        r"^-{3,} (.+?) -{3,}$", text.partition("== short test summary")[0], flags=re.M
    )
    return dict(zip(parts[::2], (part.rstrip("= ") for part in parts[1::2]), strict=True))


def test_znodes_sessions_watches_and_requests(
    pytester: pytest.Pytester, zk_server: object, zk_backend: str
) -> None:
    pytester.makepyfile(FAILS)
    result = pytester.runpytest_subprocess(*QUIET, f"--zk-backend={zk_backend}")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    found = sections(text)
    assert next(iter(found)).startswith(f"ZooKeeper ({zk_backend}) at 127.0.0.1:")
    state, requests = list(found.values())[:2]
    owner = re.search(r"/lock  b'x{58}\.\.\. \(100 bytes\), version 0, ephemeral of (0x\w+)", state)
    assert owner
    assert "\n  /orders/1  b'tea', version 0\n" in state
    assert re.search(rf"\n  {owner[1]} of 127.0.0.1:\d+, timeout 10 s, ephemerals: /lock\n", state)
    assert state.count("timeout 10 s") == 2, "the run's own client is not the test's"
    assert re.search(r"\nwatches.*:\n  /orders  .*of 0x\w+\n", state)
    # Of the test's clients, with their answers, as the test sees its paths.
    assert "client 1: Sending request 1: Create(path='/orders/1', data=b'tea', flags=0)" in requests
    assert "client 2: Received response 1: '/lock'" in requests
    assert "a client: Sending request 2: SetData(path='/gone', data=b'', version=-1)" in requests
    assert "a client: Received error 2: NoNodeError()" in requests
    assert "/pytest-" not in state + requests
    assert "auth=..." in requests
    assert "bob:secret" not in "".join(found.values())
    assert "passwd" not in requests


@pytest.mark.zk_backend("live")
def test_the_log_of_a_live_server_since_the_test_began(
    pytester: pytest.Pytester, zk_server: object
) -> None:
    """And what is told of a server that is gone."""
    pytester.makepyfile(
        """
        import os, signal
        import pytest
        from kazoo.exceptions import ConnectionLoss

        pytestmark = pytest.mark.zookeeper(servers=2, settings={"jute.maxbuffer": 5000})

        def test_first(zk_client):
            with pytest.raises(ConnectionLoss):
                zk_client.create("/a", b"x" * 6000)

        def test_second(zk_client):
            with pytest.raises(ConnectionLoss):
                zk_client.create("/a", b"x" * 7000)
            assert 0

        def test_third(zk_client, zk_live):
            for member in zk_live.members:
                os.kill(member.pid, signal.SIGKILL)
            while zk_client.connected or any(member.running for member in zk_live.members):
                pass
            assert 0
        """
    )
    result = pytester.runpytest_subprocess(*QUIET, "--zk-backend=live", "-rN")
    result.assert_outcomes(failed=2, passed=1)
    _, second, third = re.split("^_+ test_.*", result.stdout.str(), flags=re.M)
    assert "Traceback" not in second + third
    log = second.partition("log since the test began:\n")[2].partition("last requests")[0]
    assert re.search(r"\n  [12]: .*advertised length of 70\d\d ", f"\n{log}")
    assert "advertised length of 60" not in log
    assert "was killed by signal 9" in third
    assert "\nit does not answer\n" in third
    assert "client 1: Zookeeper connection lost" in third


def test_a_server_that_does_not_start_is_not_told_with_the_requests_of_an_earlier_test(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(
        """
        from pytest_zkdict import factories
        broken = factories.server(settings={"tikTime": 1})
        """
    )
    pytester.makepyfile(
        """
        def test_before(zk_client): zk_client.create("/a")
        def test_it(broken): pass
        """
    )
    result = pytester.runpytest_inprocess(*QUIET)
    result.assert_outcomes(passed=1, errors=1)
    assert "last requests" not in result.stdout.str()


def test_servers_of_the_test_itself(
    pytester: pytest.Pytester, zk_server: object, zk_backend: str
) -> None:
    pytester.makepyfile(
        """
        def test_it(zk_server_factory, zk_client_factory):
            server, stopped = zk_server_factory(), zk_server_factory()
            client = zk_client_factory(hosts=server.hosts)
            client.create("/mine", b"1", ephemeral=True)
            stopped.stop()
            print(server.hosts, stopped.hosts)
            assert 0
        """
    )
    result = pytester.runpytest_inprocess(*QUIET, f"--zk-backend={zk_backend}")
    result.assert_outcomes(failed=1)
    found = sections(result.stdout.str())
    server, stopped = found["Captured stdout call"].split()
    state = found[f"ZooKeeper ({zk_backend}) at {server}"]
    assert re.search(r"/mine  b'1', version 0, ephemeral of (0x\w+)\n", state)
    assert "ephemerals: /mine" in state
    assert found[f"ZooKeeper ({zk_backend}) at {stopped}"].startswith("\nit does not answer\n")


def test_of_somebody_elses_server_only_what_is_the_tests(
    pytester: pytest.Pytester, zk_backend: str
) -> None:
    pytester.makepyfile(FAILS)
    with FakeZooKeeper(settings={"4lw.commands.whitelist": "srvr, cons, dump"}) as server:
        other = KazooClient(server.hosts)
        other.start()
        other.create("/theirs", b"private", ephemeral=True)
        result = pytester.runpytest_inprocess(
            *QUIET, "--zk-backend=live", f"--zk-hosts={server.hosts}"
        )
        other.stop()
        other.close()
    result.assert_outcomes(failed=1)
    (state, *_) = sections(result.stdout.str()).values()
    assert "/orders/1  b'tea'" in state
    assert "theirs" not in state
    assert state.count("timeout 10 s") == 1, "the one that has an ephemeral below the chroot"
    assert "timeout 10 s, ephemerals: /lock" in state
    assert "(not known: 4lw.commands.whitelist of the server does not have it)" in state


def test_it_never_hides_the_failure(pytester: pytest.Pytester) -> None:
    """Whatever goes wrong while it is made."""
    pytester.makeconftest(
        """
        import pytest
        from pytest_zkdict import evidence, kazoo_log

        def broken(*_, **__):
            raise RuntimeError("on purpose")

        evidence.Witness._znodes = broken
        evidence.Witness._sessions_of_fake = lambda *_: {}["dump"]
        kazoo_log.RequestLog.lines = broken
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def order(zk_client):
            assert False, "the test's own"

        def test_it(order):
            pass

        def test_call(zk_client):
            assert False, "the test's own"

        def test_virtual(zk_simulation):
            type(zk_simulation.history).__len__ = lambda self: 1 / 0
            assert False, "the test's own"
        """
    )
    result = pytester.runpytest_subprocess(*QUIET, "--zk-backend=fake", "-rN")
    result.assert_outcomes(failed=2, errors=1)
    text = result.stdout.str()
    assert text.count("AssertionError: the test's own") == 3
    assert text.count("(not known: RuntimeError: on purpose)") == 4
    assert "(not known: KeyError: 'dump')" in text
    assert "(not known: ZeroDivisionError: " in text
    assert "evidence.py" not in text
    assert "INTERNALERROR" not in text


def test_a_simulation_tells_its_seed_its_line_and_its_last_events(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zookeeper(seed=7, servers=3)
        def test_it(zk_simulation):
            client = zk_simulation.client()
            for number in range(30):
                client.create(f"/{number}")
            assert 0
        """
    )
    result = pytester.runpytest_inprocess(*QUIET)
    result.assert_outcomes(failed=1)
    (section,) = sections(result.stdout.str()).values()
    first, code, blank, second, *_, last, _, left_out = section.strip().splitlines()
    assert re.fullmatch(r"seed 7; to run it again: pytest \w+\.py::test_it", first)
    assert code == "in code: Simulation(seed=7, servers=3)"
    assert not blank
    assert re.fullmatch(r"Nothing is broken in \d+ events\. The last ones that matter:", second)
    assert re.search(r"client-1 +asks server \d: create /29, data=b''; done at 0x\w+$", last)
    assert re.search(r"list\(history.in_order\(\)\)\[0:\d+\] has all", left_out)
    assert len(section.strip().splitlines()) <= 30


RACE = """
    import pytest

    from zkfake.history import exactly_once

    @pytest.mark.zookeeper(seed=1, profile="realistic", load={"/jobs/paint": b""})
    def test_it(zk_simulation):
        history = zk_simulation.history

        def work(name):
            for job in zk_simulation.client(name).get_children("/jobs"):
                history.record("done", job)

        for task in [zk_simulation.spawn(work, name, name=name) for name in ("ann", "bob")]:
            task.join()
        history.check(exactly_once("done")).raise_if_broken()
    """


def test_a_broken_promise_is_told_as_a_story(pytester: pytest.Pytester) -> None:
    """By the verdict that the test fails with: the plugin does not know what was promised."""
    pytester.makepyfile(RACE)
    result = pytester.runpytest_inprocess(*QUIET)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '>       history.check(exactly_once("done")).raise_if_broken()',
            "E       *PromiseBroken: broken: exactly once done *",
        ]
    )
    assert "checked 0 times" not in result.stdout.str()
    (section,) = sections(result.stdout.str()).values()
    story = section.partition("\n\n")[2]
    assert story.startswith("Broken: exactly once done.\n")
    assert re.search(r"^> .* bob +records done: 'paint'$", story, re.MULTILINE)


def test_what_the_test_does_not_ask_for_is_judged_too(pytester: pytest.Pytester) -> None:
    """Two claims at once are told, whatever the test fails with."""
    pytester.makepyfile(
        """
        def test_it(zk_simulation):
            history = zk_simulation.history
            with history.claim("place"), history.claim("place"):
                assert 0
        """
    )
    result = pytester.runpytest_inprocess(*QUIET)
    (section,) = sections(result.stdout.str()).values()
    assert "Broken: at most 1 place." in section


@pytest.mark.needs_java
@pytest.mark.parametrize("backend", ["fake", "live"])
def test_a_server_with_a_history_tells_of_it(pytester: pytest.Pytester, backend: str) -> None:
    pytester.makepyfile(
        """
        from kazoo.client import KazooClient

        def test_it(zk_server_factory):
            server = zk_server_factory(history=True)
            client = KazooClient(server.hosts)
            client.start()
            client.create("/tea", b"3")
            client.stop()
            client.close()
            assert 0
        """
    )
    result = pytester.runpytest_inprocess(*QUIET, f"--zk-backend={backend}")
    result.assert_outcomes(failed=1)
    told = sections(result.stdout.str())
    (title,) = [title for title in told if title.startswith(f"history of the {backend} server")]
    assert "asks server 1: create /tea, data=b'3'; done at 0x" in told[title]


def test_a_test_that_passes_tells_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FAILS.replace("coffee", "tea"))
    result = pytester.runpytest_inprocess(*QUIET, "--zk-backend=fake", "-rA")
    result.assert_outcomes(passed=1)
    assert "ZooKeeper (" not in result.stdout.str().partition("= PASSES")[2]


# -- the log of requests


def test_kazoos_log_is_as_without_the_plugin(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "kazoo.client")
    records = []
    with FakeZooKeeper() as server:
        for requests in (None, RequestLog()):
            caplog.clear()
            if requests is not None:
                requests.attach()
            client = KazooClient(server.hosts, client_id=None)
            if requests is not None:
                requests.detach()
                assert client.logger is not logging.getLogger("kazoo.client")
            client.start()
            client.exists("/")
            client.stop()
            client.close()
            records.append(
                [
                    (record.name, record.levelname, record.filename, record.lineno, record.funcName)
                    for record in caplog.records
                ]
            )
    assert records[0] == records[1]
    assert len(records[0]) > 5


def test_every_way_to_log_has_the_callers_place(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "kazoo.client")
    logger = RequestLog().logger()
    logger.log(logging.INFO, "%s", 1)
    for name in ("debug", "info", "warning", "warn", "error", "critical"):
        getattr(logger, name)("%s", name)
    try:
        raise KeyError
    except KeyError:
        logger.exception("exception")
    assert {record.funcName for record in caplog.records} == {
        "test_every_way_to_log_has_the_callers_place"
    }
    assert caplog.records[-1].exc_info
    assert [record.levelname for record in caplog.records[:3]] == ["INFO", "DEBUG", "INFO"]
    assert logger.name == "kazoo.client"


def test_it_keeps_few_lines_and_nothing_alive() -> None:
    class MineError(Exception):
        def __call__(self) -> None: ...

    requests = RequestLog()
    logger = requests.logger()
    mine = MineError()
    seen = weakref.ref(mine)
    for number in range(2 * LINES):
        logger.debug("Received error(xid=%s) %r", number, mine)
    assert len(list(requests.lines())) == LINES
    assert next(requests.lines()).endswith(f"client 1: Received error {LINES}: MineError()")
    del mine
    gc.collect()
    assert seen() is None


def test_watch_functions_are_not_kept() -> None:
    requests = RequestLog()
    with FakeZooKeeper() as server:
        client = KazooClient(server.hosts, logger=requests.logger())
        client.start()

        def watch(event: object) -> None: ...

        seen = weakref.ref(watch)
        client.exists("/a", watch=watch)
        client.create("/a")  # the watch is over
        client.stop()
        client.close()
    del watch, client
    gc.collect()
    assert seen() is None
    assert any("Exists(path='/a', watcher=yes)" in line for line in requests.lines())


def test_passwords_are_not_shown() -> None:
    requests = RequestLog()
    logger = requests.logger()
    for text in (
        "Auth(auth_type=0, scheme='digest', auth='bob:it\\'s secret')",
        'Auth(auth_type=0, scheme="digest", auth="it\'s secret")',
        "Connect(protocol_version=0, session_id=0, passwd=b'secret\\')', read_only=None)",
        "SASL(challenge=b'secret')",
    ):
        logger.debug("Sending request(xid=%s): %s", None, text)
    shown = "\n".join(requests.lines())
    assert shown.count("Sending request None:") == 4
    assert "secret" not in shown


def test_who_is_cut_off_and_has_ephemerals_is_told(pytester: pytest.Pytester) -> None:
    """Its session lives on at the server."""
    pytester.makepyfile(
        """
        def test_it(zk_fake, zk_client_factory):
            gone = zk_client_factory(timeout=60.0)
            gone.create("/lock", b"", ephemeral=True)
            plain = zk_client_factory(timeout=60.0)
            print(f"{gone.client_id[0]:#x}", f"{plain.client_id[0]:#x}")
            zk_fake.faults.drop_before_request(operation="connect", times=None)
            zk_fake.faults.drop()
            while zk_fake.connections:
                pass
            assert 0
        """
    )
    result = pytester.runpytest_inprocess(*QUIET, "--zk-leaks=ignore")
    result.assert_outcomes(failed=1)
    found = sections(result.stdout.str())
    gone, plain = found["Captured stdout call"].split()
    (state,) = [text for title, text in found.items() if title.startswith("ZooKeeper (fake) at")]
    assert f"\n  {gone}, not connected, ephemerals: /lock" in state
    assert plain not in state


def test_a_silent_server_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each question would cost the report as long again."""
    monkeypatch.setattr(evidence, "_PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, FakeZooKeeper() as fake:
        hosts = f"127.0.0.1:{silent.getsockname()[1]},{fake.hosts}"
        server: Any = SimpleNamespace(direct_hosts=hosts)
        witness = evidence.Witness(server)
        assert len(witness._ask("srvr")) == 1
        assert len(witness._ask("cons")) == 1
        silent.settimeout(0)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
