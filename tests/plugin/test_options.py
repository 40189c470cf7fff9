"""Which backends a run has, and what happens when it can not have them."""

import itertools
import re
from pathlib import Path

import pytest

from pytest_zkdict import options
from pytest_zkdict.live import _installation as installation
from pytest_zkdict.servers import ZooKeeperServer
from zkfake import _versions as versions

THREE_LINES = """
def test_it(zk_client):
    zk_client.create("/a", b"1")
    assert zk_client.get("/a")[0] == b"1"
"""

NAMES = """
def test_it(zk_backend):
    pass
"""


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.fixture
def no_zookeeper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.touch(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.delenv("ZOOKEEPER_HOME", raising=False)
    monkeypatch.setattr(installation, "DEBIAN_JAR", tmp_path / "zookeeper.jar")


def ids(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    result = pytester.runpytest_inprocess("--collect-only", "-q", *arguments)
    assert result.ret == 0
    return [line.partition("::")[2] for line in result.outlines if "::" in line]


BACKENDS = {
    "fake": ["fake"],
    "live": ["live"],
    "both": ["fake", "live"],
    "simulation": ["simulation"],
    "all": ["fake", "live", "simulation"],
}


@pytest.mark.parametrize(
    ("option", "ini", "environment"),
    [
        *itertools.product([None, "fake", "live", "both"], repeat=3),
        ("simulation", "live", "fake"),
        (None, "all", "live"),
        (None, None, "simulation"),
    ],
)
def test_the_option_beats_the_ini_file_beats_the_environment(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    option: str | None,
    ini: str | None,
    environment: str | None,
) -> None:
    pytester.makepyfile(NAMES)
    if ini:
        pytester.makeini(f"[pytest]\nzk_backend = {ini}")
    if environment:
        monkeypatch.setenv("ZK_BACKEND", environment)
    wanted = BACKENDS[option or ini or environment or "fake"]
    arguments = [f"--zk-backend={option}"] if option else []
    assert ids(pytester, *arguments) == [f"test_it[{backend}]" for backend in wanted]


@pytest.mark.parametrize("source", ["--zk-backend", "the ini option zk_backend", "ZK_BACKEND"])
def test_a_bad_value_is_a_usage_error_that_names_its_source(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    pytester.makepyfile(NAMES)
    arguments = []
    if source == "--zk-backend":
        arguments.append("--zk-backend=real")
    elif source == "ZK_BACKEND":
        monkeypatch.setenv("ZK_BACKEND", "real")
    else:
        pytester.makeini("[pytest]\nzk_backend = real")
    result = pytester.runpytest_inprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *{source}*'real'*fake, live, both, simulation, all"])


def test_without_any_word_the_fake_does_without_java(
    pytester: pytest.Pytester, no_java: None
) -> None:
    pytester.makepyfile(THREE_LINES)
    pytester.runpytest_inprocess("-Werror").assert_outcomes(passed=1)


def test_without_java_the_live_half_is_skipped(pytester: pytest.Pytester, no_java: None) -> None:
    pytester.makepyfile(THREE_LINES)
    result = pytester.runpytest_inprocess("--zk-backend=both", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*needs Java*apt-get install zookeeper*--zk-home*"])


def test_without_a_server_the_live_half_is_skipped(
    pytester: pytest.Pytester, no_zookeeper: None
) -> None:
    pytester.makepyfile(THREE_LINES)
    result = pytester.runpytest_inprocess("--zk-backend=both", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*no ZooKeeper server*apt-get install zookeeper*"])


@pytest.mark.parametrize("source", ["option", "environment"])
def test_where_live_is_required_that_fails(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, no_java: None, source: str
) -> None:
    pytester.makepyfile(THREE_LINES)
    if source == "environment":
        monkeypatch.setenv("ZK_REQUIRE_LIVE", "1")
    arguments = ["--zk-require-live"] if source == "option" else []
    result = pytester.runpytest_inprocess("--zk-backend=both", *arguments)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*live server is required*needs Java*"])


@pytest.mark.parametrize(
    ("word", "required"),
    [("yes", True), ("TRUE", True), ("0", False), ("No", False), ("off", False), ("", False)],
)
def test_words_for_yes_and_no(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    no_java: None,
    word: str,
    required: bool,
) -> None:
    pytester.makepyfile(THREE_LINES)
    monkeypatch.setenv("ZK_REQUIRE_LIVE", word)
    result = pytester.runpytest_inprocess("--zk-backend=live")
    assert ("skipped" in result.parseoutcomes()) == (not required)
    assert ("passed" in result.parseoutcomes()) is False


def test_a_word_that_is_neither_yes_nor_no(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZK_REQUIRE_LIVE", "perhaps")
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *ZK_REQUIRE_LIVE is 'perhaps'; expected 1, true, yes or*"])


def test_requiring_live_asks_nothing_of_a_fake_run(
    pytester: pytest.Pytester, no_java: None
) -> None:
    pytester.makepyfile(THREE_LINES)
    result = pytester.runpytest_inprocess("--zk-require-live")
    result.assert_outcomes(passed=1)


def test_a_home_without_a_server_is_a_mistake_and_no_reason_to_skip(
    pytester: pytest.Pytester, tmp_path: Path, no_zookeeper: None
) -> None:
    pytester.makepyfile(THREE_LINES)
    result = pytester.runpytest_inprocess("--zk-backend=live", f"--zk-home={tmp_path}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*ValueError: no ZooKeeper server in *{tmp_path}*"])


def test_a_server_that_does_not_start_is_tried_once(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A broken Java is an error of every test that needs it, and costs one start."""
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho started >> {tmp_path}/starts\necho no such class\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    (tmp_path / "zookeeper-3.9.5.jar").touch()
    pytester.makepyfile(THREE_LINES + NAMES.replace("zk_backend", "zk_server").replace("it", "too"))
    result = pytester.runpytest_inprocess("--zk-backend=live", f"--zk-home={tmp_path}")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*LiveStartError: *ended at once*", "*no such class*"])
    assert (tmp_path / "starts").read_text().split() == ["started"]


def test_macos_placeholder_for_java_is_no_java(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'Unable to locate a Java Runtime.'\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    (tmp_path / "zookeeper-3.9.5.jar").touch()
    pytester.makepyfile(THREE_LINES)
    result = pytester.runpytest_inprocess("--zk-backend=live", f"--zk-home={tmp_path}", "-rs")
    result.assert_outcomes(skipped=1)


def test_a_marker_keeps_a_test_on_one_backend(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zk_backend("fake")
        def test_fake(zk_server):
            assert zk_server.backend == "fake"

        @pytest.mark.zk_backend("live")
        def test_live(zk_server):
            assert zk_server.backend == "live"
        """
    )
    assert ids(pytester, "--zk-backend=both") == ["test_fake[fake]", "test_live[live]"]
    result = pytester.runpytest_inprocess("--strict-markers", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*needs --zk-backend live"])


def test_a_marker_with_a_bad_name(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zk_backend("real")
        def test_it(zk_server):
            pass
        """
    )
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: *::test_it*: the mark zk_backend takes 'fake', *or 'all' as backend, not 'real'"]
    )


def test_tests_without_the_fixtures_are_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(tmp_path): pass")
    assert ids(pytester, "--zk-backend=both") == ["test_it"]


def test_all_tests_of_one_backend_run_side_by_side(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(zk_backend): pass\ndef test_b(zk_backend): pass")
    assert ids(pytester, "--zk-backend=both") == [
        "test_a[fake]",
        "test_b[fake]",
        "test_a[live]",
        "test_b[live]",
    ]


def test_the_help_names_the_options(pytester: pytest.Pytester) -> None:
    text = pytester.runpytest_inprocess("--help").stdout.str()
    for name in ("backend", "hosts", "home", "require-live", "servers", "version", "settings"):
        assert f"--zk-{name}" in text
        assert f"zk_{name.replace('-', '_')}" in text
    for variable in ("ZK_BACKEND", "ZOOKEEPER_HOME", "ZK_REQUIRE_LIVE", "ZKFAKE_SEED", "ZK_LEAKS"):
        assert f"${variable}" in text


# -- every setting, three ways


@pytest.mark.parametrize(
    ("name", "variable", "value", "told"),
    [
        ("servers", "ZK_SERVERS", "3", "3 servers"),
        ("version", "ZK_VERSION", "3.8", "version 3.8.0"),
        ("settings", "ZK_SETTINGS", "tickTime=100; minSessionTimeout=900;", "session 0.9"),
        ("load", "ZK_LOAD", "seeds.json", "/a/b b'1'"),
        ("leaks", "ZK_LEAKS", "fail", "leaks fail"),
        ("profile", "ZK_PROFILE", "hostile", "profile hostile"),
        ("patch", "ZK_PATCH", "json,csv", "patch csv json"),
        ("seed", "ZKFAKE_SEED", "9", "seed 9"),
    ],
)
def test_every_setting_is_an_option_an_ini_option_and_a_variable(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    variable: str,
    value: str,
    told: str,
) -> None:
    pytester.makefile(".json", seeds='{"/a/b": "1", "/c": null}')
    pytester.makepyfile(
        """
        def test_server(zk_fake, zk_client, request):
            from pytest_zkdict.run import Run

            print("told:", len(zk_fake.members), "servers")
            print("told: version", zk_fake.version)
            print("told: session", zk_fake.min_session_timeout)
            if zk_client.exists("/a/b"):
                print("told: /a/b", zk_client.get("/a/b")[0])
                assert zk_client.get("/c")[0] is None
            print("told: leaks", Run.of(request.config).options.leaks)

        def test_simulation(zk_simulation, request):
            print("told: profile", zk_simulation._arguments["profile"])
            print("told: patch", *sorted(zk_simulation._arguments["patch"]))
            print("told: seed", zk_simulation.seed)
            if request.config.getoption("--zk-load"):
                assert zk_simulation.client().get("/a/b")[0] == b"1"
        """
    )
    plain = pytester.runpytest_inprocess("-s")
    plain.assert_outcomes(passed=2)
    plain.stdout.no_fnmatch_line(f"*told: {told}")
    option = pytester.runpytest_inprocess("-s", f"--zk-{name}={value}")
    monkeypatch.setenv(variable, value)
    environment = pytester.runpytest_inprocess("-s")
    monkeypatch.delenv(variable)
    pytester.makeini(f"[pytest]\nzk_{name} = {value}")
    ini = pytester.runpytest_inprocess("-s")
    for result in (option, environment, ini):
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines([f"*told: {told}"])


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("servers=0", "--zk-servers is '0'; expected a number from 1 to 254"),
        ("settings=tickTime", "--zk-settings is 'tickTime'; expected NAME=VALUE*"),
        ("load=missing.json", "--zk-load is 'missing.json'; missing.json: No such file*"),
        ("load=text.json", "--zk-load is 'text.json'; text.json: Expecting property name*"),
        ("load=list.json", "--zk-load is 'list.json'; list.json: expected a table of znodes*"),
        ("load=path.json", "--zk-load is 'path.json'; path.json: /a//b: this is not a valid*"),
        ("hosts=:2181", "--zk-hosts is ':2181'; expected HOST:PORT, as in zk1:2181,zk2:2181 or *"),
        ("hosts=zk:99999/a", "--zk-hosts is 'zk:99999/a'; expected HOST:PORT*"),
        ("hosts=http://zk:2181", "--zk-hosts is 'http://zk:2181'; expected HOST:PORT*"),
        ("seed=x", "--zk-seed is 'x'; expected an integer"),
        ("leaks=perhaps", "--zk-leaks is 'perhaps'; choose one of ignore, warn, fail"),
    ],
)
def test_a_setting_that_cannot_be(pytester: pytest.Pytester, option: str, wrong: str) -> None:
    pytester.makefile(".json", text="{", list="[1]", path='{"/a//b": null}')
    result = pytester.runpytest_inprocess(f"--zk-{option}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {wrong}"])


@pytest.mark.parametrize("fixture", ["zk_client", "zk_simulation"])
@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("version", "3.7", "is '3.7'; version '3.7' is not known; choose one of 3.8, 3.9"),
        ("settings", "tikTime=1", "is 'tikTime=1'; 'tikTime' is not a setting; did you mean *"),
        ("profile", "mean", "is 'mean'; 'mean' is not a profile; expected one of calm, *"),
    ],
)
def test_a_setting_that_no_server_can_have_is_told_before_the_first_test(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    fixture: str,
    name: str,
    value: str,
    wrong: str,
) -> None:
    pytester.makepyfile(f"def test_before(): pass\ndef test_it({fixture}): pass")
    option = pytester.runpytest_inprocess(f"--zk-{name}={value}")
    monkeypatch.setenv(f"ZK_{name.upper()}", value)
    variable = pytester.runpytest_inprocess()
    if (fixture, name) == ("zk_client", "profile"):  # it has none
        option.assert_outcomes(passed=2)
        return
    assert option.ret == variable.ret == pytest.ExitCode.USAGE_ERROR
    option.stderr.fnmatch_lines([f"ERROR: --zk-{name} {wrong}"])
    variable.stderr.fnmatch_lines([f"ERROR: the environment variable ZK_{name.upper()} {wrong}"])


# -- somebody else's server


@pytest.mark.parametrize(
    ("arguments", "ini", "runs_on"),
    [
        (["--zk-hosts=zk:2181"], None, ["live"]),
        (["--zk-hosts=zk:2181", "--zk-backend=live"], None, ["live"]),
        (["--zk-hosts=zk:2181", "--zk-backend=both"], None, ["fake", "live"]),
        (["--zk-hosts=zk:2181"], "zk_backend = fake", ["live"]),
        (["--zk-hosts=zk:2181"], "zk_backend = both", ["fake", "live"]),
        (["--zk-backend=fake"], "zk_hosts = zk:2181", ["fake"]),
        ([], "zk_hosts = zk:2181", ["live"]),
    ],
)
def test_whoever_names_hosts_means_live(
    pytester: pytest.Pytester, arguments: list[str], ini: str | None, runs_on: list[str]
) -> None:
    pytester.makepyfile(NAMES)
    if ini:
        pytester.makeini(f"[pytest]\n{ini}")
    assert ids(pytester, *arguments) == [f"test_it[{backend}]" for backend in runs_on]


def test_hosts_and_the_fake_at_once_are_a_usage_error(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--zk-hosts=zk:2181", "--zk-backend=fake")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --zk-hosts is 'zk:2181', a live server, and --zk-backend is 'fake': choose *"]
    )


# -- what the terminal says


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "zookeeper: fake 3.9"),
        (["--zk-version=3.8", "--zk-servers=3"], "zookeeper: fake 3.8, servers=3"),
        (["--zk-hosts=zk:2181/app"], "zookeeper: live at zk:2181/app"),
        (["--zk-hosts=zk1, [::1]"], "zookeeper: live at zk1, [::1]"),
        (["--zk-seed=7", "-q"], None),
    ],
)
def test_a_line_of_the_header_tells_what_the_tests_run_on(
    pytester: pytest.Pytester, arguments: list[str], line: str | None
) -> None:
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_inprocess(*arguments)
    if line is None:
        result.stdout.no_fnmatch_line("zookeeper:*")
    else:
        result.stdout.fnmatch_lines([line])


@pytest.mark.zk_backend("live")
def test_the_header_tells_the_live_servers_version(
    pytester: pytest.Pytester, zk_server: ZooKeeperServer
) -> None:
    result = pytester.runpytest_inprocess("--zk-backend=both", "--collect-only")
    result.stdout.fnmatch_lines([f"zookeeper: fake 3.9, live {zk_server.version}"])


def test_the_header_tells_that_there_is_no_live_server(
    pytester: pytest.Pytester, no_java: None
) -> None:
    result = pytester.runpytest_inprocess("--zk-backend=live", "--collect-only")
    result.stdout.fnmatch_lines(["zookeeper: live (not installed)"])


def test_the_default_version_is_the_fakes() -> None:
    assert options.DEFAULT_VERSION == versions.DEFAULT


def test_the_fixtures_are_listed_with_what_they_are(pytester: pytest.Pytester) -> None:
    listed = pytester.runpytest_inprocess("--fixtures").stdout.str()
    for fixture in ("zk_client", "zk_dict", "zk_example", "zk_faults", "zk_simulation"):
        assert re.search(rf"^{fixture}( \[session scope\])? -- .*\n    \S", listed, re.MULTILINE)
    assert "_zk_target" not in listed
