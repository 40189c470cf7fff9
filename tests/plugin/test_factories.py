"""Fixtures of the user's own making, and those that come in several."""

import ssl

import pytest

from pytest_zkdict import factories


def test_servers_clients_and_dicts_of_ones_own(
    pytester: pytest.Pytester, zk_server: object, zk_backend: str
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_zkdict import factories

        quick = factories.server(settings={"tickTime": 100}, load={"/seed": b"server"})
        other = factories.server(name="renamed")
        client = factories.client("quick", load={"/more": b"client"}, timeout=5.0)
        module_client = factories.client(scope="module")
        module_dict = factories.dict("module_client", path="/app/prices", scope="module")
        dict_of_test = factories.dict("module_client", path="/app/other")

        def test_servers(quick, renamed, zk_server):
            assert len({quick.hosts, renamed.hosts, zk_server.hosts}) == 3
            assert (quick.tick_time, renamed.tick_time) == (100, 200)

        @pytest.mark.zookeeper(load={"/seed": b"mark"})
        def test_a_mark_beats_a_factory(client):
            assert client.get("/seed")[0] == b"mark"

        def test_client(client):
            assert client.get("/seed")[0] == b"server"
            assert client.get("/more")[0] == b"client"
            assert client._session_timeout == 5000

        @pytest.mark.parametrize("number", range(2))
        def test_a_module_shares(module_client, module_dict, dict_of_test, zk_client, number):
            assert zk_client.get_children("/") == []
            assert dict(module_dict) == ({"0": 0} if number else {})
            assert not dict_of_test
            module_dict[str(number)] = dict_of_test["a"] = number
            assert set(module_client.get_children("/app")) == {"prices", "other"}
        """
    )
    arguments = (f"--zk-backend={zk_backend}", "-Werror", "--zk-leaks=fail", "-v")
    result = pytester.runpytest_inprocess(*arguments)
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines([f"*::test_client[[]{zk_backend}] PASSED*"])


def test_a_fake_of_another_version_with_tls(
    pytester: pytest.Pytester, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    pem = f"{tmp_path}/ca.pem"
    authority.cert_pem.write_to_path(pem)
    monkeypatch.setattr("pytest_zkdict.context", context, raising=False)
    pytester.makepyfile(
        f"""
        import pytest_zkdict
        from pytest_zkdict import factories

        secure = factories.server(tls=pytest_zkdict.context, version="3.8", servers=2)

        def test_it(secure, zk_client_factory):
            assert secure.version.startswith("3.8")
            assert len(secure.members) == 2
            client = zk_client_factory(hosts=secure.secure_hosts, use_ssl=True, ca={pem!r})
            client.create("/a")
        """
    )
    pytester.runpytest_inprocess("-Wignore").assert_outcomes(passed=1)


def test_a_server_of_a_narrower_scope_ends_with_it(
    pytester: pytest.Pytester, zk_server: object, zk_backend: str
) -> None:
    pytester.makepyfile(
        """
        from pytest_zkdict import factories

        mine = factories.server(scope="function")
        my_client = factories.client("mine")
        seen = []

        def test_a(mine, my_client):
            seen.append(mine)

        def test_b(mine, my_client):
            assert mine is not seen[0]
            assert not seen[0].running
        """
    )
    pytester.runpytest_inprocess(f"--zk-backend={zk_backend}").assert_outcomes(passed=2)


def test_seed_data_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="takes paths such as '/a/b' in load, not 'a'"):
        factories.server(load={"a": b""})
    with pytest.raises(ValueError, match="takes bytes or None as data in load, not 'text'"):
        factories.client(load={"/a": "text"})  # type: ignore[dict-item]


MISTAKES = {
    "zk_server_factory(sever=3)": "zk_server_factory() got an unexpected keyword argument 'sever'",
    "zk_server_factory(3)": "zk_server_factory takes a mapping as settings, such as {'tickTime': *",
    "zk_server_factory(servers='3')": "zk_server_factory takes an int as servers, not '3'",
    "zk_server_factory(load={'a': b''})": "zk_server_factory takes paths such as '/a/b' in load*",
    "zk_server_factory({'tikTime': 1})": "ValueError: 'tikTime' is not a setting; did you mean *",
    "zk_server_factory(version='3.3')": "ValueError: version '3.3' is not known; choose one of *",
    "zk_client_factory('127.0.0.1:2181')": "zk_client_factory() takes 1 positional argument but *",
    "zk_client_factory(timeou=3)": "*unexpected keyword arguments: *'timeou'*",
    "zk_dict_factory(autosyn=True)": "ZooKeeperDict.__init__() got an unexpected *'autosyn'",
    "zk_dict_factory(3)": "*a keyspace (a str) are needed; got KazooClient and int",
}


@pytest.mark.parametrize("call", MISTAKES)
def test_what_a_factory_cannot_make_is_told_by_the_name_that_the_test_uses(
    pytester: pytest.Pytester, call: str
) -> None:
    fixture = call.partition("(")[0]
    pytester.makepyfile(f"def test_it({fixture}):\n    {call}")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    wrong = MISTAKES[call].replace("[", "[[]")
    result.stdout.fnmatch_lines([f">       {call.replace('[', '[[]')}", f"E       *: {wrong}"])
    shown = result.stdout.str()
    assert "pytest_zkdict/" not in shown
    assert "During handling" not in shown


def test_what_a_fixture_of_ones_own_cannot_be_is_told_by_its_name(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(
        """
        from pytest_zkdict import factories

        quick = factories.server(settings={"tikTime": 1})
        impatient = factories.client(timeou=1)
        prices = factories.dict(path="/prices", autosyn=True)
        """
    )
    pytester.makepyfile(
        """
        def test_server(quick): pass
        def test_client(impatient): pass
        def test_dict(prices): pass
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(
        [
            "the fixture quick, of factories.server: ValueError: 'tikTime' is not a setting; *",
            "the fixture impatient, of factories.client: TypeError: *'timeou'*",
            "the fixture prices, of factories.dict: TypeError: *'autosyn'*",
        ]
    )
    assert "pytest_zkdict/" not in result.stdout.str()


def test_a_factory_that_is_called_wrongly_says_so_at_once() -> None:
    with pytest.raises(ValueError, match=r"factories\.server takes an int as servers, not '3'"):
        factories.server(servers="3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"factories\.server takes a str as version"):
        factories.server(version=3.9)  # type: ignore[arg-type]


# -- the plugin's own


def test_dicts_each_with_a_client_and_one_for_asyncio(
    pytester: pytest.Pytester, on_this: str
) -> None:
    pytester.makepyfile(
        """
        import asyncio

        def test_two_dicts_on_one_path(zk_dict_factory, zk_client):
            ours, theirs = zk_dict_factory("/prices"), zk_dict_factory("/prices", autosync=False)
            shared = zk_dict_factory(client=zk_client)
            ours["tea"] = shared["cup"] = 3
            assert not theirs
            theirs.sync()
            assert theirs == {"tea": 3}
            assert zk_client.get_children("/zk_dict") == ["cup"]

        def test_asyncio(zk_async_dict):
            async def use():
                await zk_async_dict.set("a", 1)
                return dict(zk_async_dict.mapping)

            assert asyncio.run(use()) == {"a": 1}
        """
    )
    arguments = (on_this, "-Werror", "--zk-leaks=fail")
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=2)


def test_a_dict_for_asyncio_of_ones_own(pytester: pytest.Pytester, on_this: str) -> None:
    pytester.makepyfile(
        """
        import asyncio

        import pytest

        from pytest_zkdict import factories
        from zkdict import ValueTooLarge

        prices = factories.dict(path="/prices", asynchronous=True, max_value_bytes=4)

        def test_it(prices, zk_client):
            asyncio.run(prices.set("tea", 3))
            assert zk_client.get_children("/prices") == ["tea"]
            with pytest.raises(ValueTooLarge):
                asyncio.run(prices.set("tea", 30_000))
        """
    )
    arguments = (on_this, "-Werror", "--zk-leaks=fail")
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=1)


def test_servers_from_the_factory_can_be_anything(
    pytester: pytest.Pytester, zk_server: object, zk_backend: str
) -> None:
    pytester.makepyfile(
        """
        def test_it(zk_server_factory, zk_client_factory):
            server = zk_server_factory({"tickTime": 100}, servers=3, load={"/a": b"1"})
            assert len(server.members) == 3
            assert zk_client_factory(hosts=server.hosts).get("/a")[0] == b"1"
        """
    )
    pytester.runpytest_inprocess(f"--zk-backend={zk_backend}").assert_outcomes(passed=1)


def test_what_a_test_asks_of_the_factory_beats_its_mark(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zookeeper(servers=3, version="3.8", settings={"tickTime": 300, "maxCnxns": 9})
        def test_it(zk_server_factory):
            asked = zk_server_factory({"tickTime": 100}, servers=1, version="3.9")
            assert len(asked.members) == 1
            assert asked.version.startswith("3.9.")
            assert asked.tick_time == 100
            as_marked = zk_server_factory()
            assert len(as_marked.members) == 3
            assert as_marked.version.startswith("3.8.")
            assert as_marked.tick_time == 300
        """
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_fixtures_of_one_backend_keep_their_tests_there(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_fake(zk_fake): pass
        def test_faults(zk_faults, zk_client): pass
        def test_live(zk_live): pass
        def test_any(zk_client): pass
        """
    )
    result = pytester.runpytest_inprocess("--collect-only", "-q", "--zk-backend=both")
    found = {line.partition("::")[2] for line in result.outlines if "::" in line}
    assert found == {
        "test_fake[fake]",
        "test_faults[fake]",
        "test_faults[live]",
        "test_live[live]",
        "test_any[fake]",
        "test_any[live]",
    }


def test_the_fake_can_be_looked_into(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(zk_fake, zk_client, zk_chroot):
            zk_fake.load({f"{zk_chroot}/a": b"1"})
            assert zk_client.get("/a", watch=print)[0] == b"1"
            assert zk_fake.dump()[f"{zk_chroot}/a"] == b"1"
            session = zk_client.client_id[0]
            assert [view.id for view in zk_fake.sessions] == [session]
            assert [view.session_id for view in zk_fake.connections] == [session]
            assert [view.path for view in zk_fake.watches] == [f"{zk_chroot}/a"]
            before = zk_fake.snapshot()
            zk_client.set("/a", b"2")
            zk_fake.restore(before)
            assert zk_fake.znodes[f"{zk_chroot}/a"].data == b"1"
            zk_fake.remove(f"{zk_chroot}/a")
            assert zk_client.exists("/a") is None
            lost = zk_client.handler.event_object()
            zk_client.add_listener(lambda state: lost.set() if state == "LOST" else None)
            zk_fake.expire(session)
            assert lost.wait(30)
        """
    )
    pytester.runpytest_inprocess("-Werror").assert_outcomes(passed=1)


# -- Hypothesis

GIVEN = """
from hypothesis import given, settings, strategies as st

@settings(max_examples=5, database=None)
@given(st.integers())
def test_shares(zk_client, number):
    zk_client.create("/a")

@settings(max_examples=5, database=None, deadline=None)
@given(st.integers())
def test_fresh(zk_example, number):
    with zk_example() as example:
        client = example.client_factory(timeout=5.0)
        assert client.get_children("/") == []
        client.create("/a")
"""


def test_every_example_can_have_znodes_of_its_own(pytester: pytest.Pytester, on_this: str) -> None:
    pytester.makepyfile(GIVEN)
    arguments = (on_this, "--zk-leaks=fail", "--hypothesis-profile=default")
    result = pytester.runpytest_subprocess(*arguments)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*function-scoped fixture*", "*- zk_example -*", "*with zk_example() as example:*"]
    )
