"""The history of a test: `zk_history`, the mark and the option; and what a report tells of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from zkfake.history import DictShown, Reply, exactly_once

from ..support.settings import STEADY

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient

    from pytest_zkdict.servers import ZooKeeperServer
    from zkdict import ZooKeeperDict
    from zkfake.history import History

QUIET = ("-p", "no:cacheprovider", "-Wdefault", "-W", "ignore::ResourceWarning")


@pytest.mark.zookeeper(servers=3, settings=STEADY)
def test_what_happens_in_a_test_is_recorded_and_legal(
    zk_client: KazooClient, zk_history: History, zk_chroot: str, zk_server: ZooKeeperServer
) -> None:
    assert zk_server.history is zk_history
    zk_client.create("/tea", b"3")
    zk_client.get("/tea", watch=lambda _event: None)
    lock = zk_client.Lock("/lock")
    with lock, zk_history.claim("lock", znode=f"{zk_chroot}/lock/{lock.node}"):
        zk_client.set("/tea", b"4")
    zk_history.record("done", "tea")
    verdict = zk_history.check(exactly_once("done"))
    verdict.raise_if_broken()
    checked = {each.judge: each.times for each in verdict.checked}
    assert checked["never back"] > 5
    assert verdict.transactions is None or checked["states are true"] > 3


def test_what_is_wrong_in_it_is_seen(zk_client: KazooClient, zk_history: History) -> None:
    zk_client.create("/tea", b"3")
    zk_client.get("/tea")
    place, last = max(
        (place, event) for place, event in enumerate(zk_history) if isinstance(event, Reply)
    )
    zk_history._events[place] = last._replace(zxid=1)
    assert "never back" in {found.judge for found in zk_history.check().broken}


@pytest.mark.zookeeper(history=True)
def test_dicts_tell_what_they_do(
    zk_dict: ZooKeeperDict[Any],
    zk_dict_factory: Callable[..., ZooKeeperDict[Any]],
    zk_server: ZooKeeperServer,
) -> None:
    history = zk_server.history
    assert history is not None
    zk_dict["tea"] = 3
    other = zk_dict_factory()
    other.sync()
    assert other["tea"] == 3
    assert {event.dict for event in history.of(DictShown)} == {1, 2}
    verdict = history.check()
    verdict.raise_if_broken()
    if verdict.transactions is not None:  # else nobody knows which states there were
        assert {"a dict reads its writes", "a dict syncs"} <= {
            each.judge for each in verdict.checked
        }


NEIGHBOURS = """
    import pytest

    WAYS = {
        "fixture": ["zk_history"],
        "mark": [pytest.mark.zookeeper(history=True)],
    }

    def paths(history):
        return {path for event in history for path in getattr(event, "paths", ())}

    @pytest.mark.zookeeper(history=False)
    def test_before(zk_client, zk_server):
        zk_client.create("/before")
        assert zk_server.history is None

    def test_the_fixture(zk_client, zk_chroot, zk_history):
        zk_client.create("/one")
        assert f"{zk_chroot}/one" in paths(zk_history)
        assert not any("before" in path for path in paths(zk_history))
        zk_history.check().raise_if_broken()

    @pytest.mark.zookeeper(history=True)
    def test_the_mark(zk_client, zk_chroot, zk_server):
        zk_client.create("/two")
        assert f"{zk_chroot}/two" in paths(zk_server.history)
        assert not any("one" in path for path in paths(zk_server.history))

    @pytest.mark.zookeeper(history=True)
    def test_the_mark_on_a_server_of_the_tests_own(zk_server_factory):
        assert zk_server_factory().history is not None
        assert zk_server_factory(history=False).history is None

    def test_by_name(zk_client, zk_chroot, zk_server, zk_client_factory, request):
        recorded = request.config.option.zk_history
        assert (zk_server.history is not None) is bool(recorded)
        history = request.getfixturevalue("zk_history")
        assert zk_server.history is history
        zk_client_factory(hosts=zk_server.hosts + zk_chroot).create("/three")
        assert f"{zk_chroot}/three" in paths(history)
        history.check().raise_if_broken()

    def test_by_name_beside_faults(zk_faults, zk_chroot, zk_server, zk_client_factory, request):
        history = request.getfixturevalue("zk_history")
        client = zk_client_factory()
        client.create("/four")
        zk_faults.drop(client)
        client.retry(client.create, "/five")
        assert {f"{zk_chroot}/four", f"{zk_chroot}/five"} <= paths(history)
        history.check().raise_if_broken()

    def test_after(zk_client, zk_server, request):
        zk_client.create("/after")
        assert (zk_server.history is not None) is bool(request.config.option.zk_history)
    """


@pytest.mark.parametrize("option", [(), ("--zk-history",)])
def test_a_history_is_one_tests(
    pytester: pytest.Pytester, zk_server: object, zk_backend: str, option: tuple[str, ...]
) -> None:
    pytester.makepyfile(NEIGHBOURS)
    result = pytester.runpytest_inprocess(*QUIET, f"--zk-backend={zk_backend}", *option)
    result.assert_outcomes(passed=7)


WIDER = """
    import pytest

    from pytest_zkdict import factories

    wide = factories.client(scope="module")

    @pytest.mark.parametrize("turn", range(2))
    @pytest.mark.zookeeper(servers=3)
    def test_it(wide, zk_client, zk_chroot, zk_history, turn):
        wide.create(f"/{turn}", b"", ephemeral=True)
        wide.sync("/")
        zk_client.create("/mine")
        wide.set(f"/{turn}", b"1")
        zk_client.sync("/mine")
        assert {path for each in zk_history for path in getattr(each, "paths", ())} >= {zk_chroot}
        verdict = zk_history.check()
        verdict.raise_if_broken()
        assert verdict.transactions > 5
        assert not any(each.operation == "setData" for each in zk_history if hasattr(each, "xid"))
    """


def test_a_client_that_is_older_than_the_test_is_left_out(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WIDER.replace("{zk_chroot}", "{f'{zk_chroot}/mine'}"))
    result = pytester.runpytest_inprocess(*QUIET, "--zk-backend=fake")
    result.assert_outcomes(passed=2)


FAILS = """
    import pytest

    from zkfake.history import exactly_once

    def test_it(zk_client, zk_server):
        zk_client.create("/tea", b"3")
        for _ in range(2):
            zk_server.history.record("done", "tea")
        %s
    """


def story_of(pytester: pytest.Pytester, backend: str, fails: str) -> str:
    pytester.makepyfile(FAILS % fails)
    result = pytester.runpytest_inprocess(*QUIET, f"--zk-backend={backend}", "--zk-history")
    result.assert_outcomes(failed=1)
    report = result.stdout.str()
    title = re.search(rf"^-+ history of the {backend} server at 127\.0\.0\.1:\S+ -+$", report, re.M)
    assert title
    return report[title.end() :]


def test_a_report_tells_the_last_events(
    pytester: pytest.Pytester, zk_server: object, zk_backend: str
) -> None:
    """Paths are those that the test sees."""
    story = story_of(pytester, zk_backend, "assert 0")
    assert re.search(r"Nothing is broken in \d+ events\. The last ones that matter:", story)
    assert re.search(r"asks server 1: create /tea, data=b'3'; done at 0x\w+$", story, re.M)


def test_a_report_tells_the_verdict_that_a_test_fails_with(
    pytester: pytest.Pytester, zk_server: object, zk_backend: str
) -> None:
    fails = "zk_server.history.check(exactly_once('done')).raise_if_broken()"
    story = story_of(pytester, zk_backend, fails)
    assert "Broken: exactly once done.\n" in story
    assert re.search(r"^> .*records done: 'tea'$", story, re.M)


def test_a_verdict_on_another_history_is_not_told(pytester: pytest.Pytester) -> None:
    fails = """
        from zkfake.history import History
        other = History()
        other.record("done", 1)
        other.record("done", 1)
        other.check(exactly_once("done")).raise_if_broken()"""
    assert "Nothing is broken in" in story_of(pytester, "fake", fails)


def test_that_of_a_simulation_is_the_simulations(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(zk_simulation, zk_history):
            assert zk_history is zk_simulation.history

        def test_dict(zk_dict, zk_history):
            zk_dict["a"] = 1
            assert any("a" in str(event) for event in zk_history)
        """
    )
    result = pytester.runpytest_inprocess(*QUIET, "--zk-backend=simulation")
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("mark", "test", "says"),
    [
        ("zookeeper(history=1)", "zk_client", "takes a bool as history, not 1"),
        ("zookeeper(history=True)", "zk_simulation", "zookeeper(history=...) has no effect"),
        ("zk_simulation(history=True)", "zk_simulation", "history"),
    ],
)
def test_a_mark_that_records_nothing_is_an_error(
    pytester: pytest.Pytester, mark: str, test: str, says: str
) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.{mark}\ndef test_it({test}): pass")
    result = pytester.runpytest_inprocess(*QUIET, "--zk-backend=fake")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *test_it*{says}*"])
