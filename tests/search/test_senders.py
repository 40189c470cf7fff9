"""Reports say which lines of the program have asked for the requests that they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from kazoo.exceptions import ConnectionLoss, KazooException

from zkfake._search.senders import sent_from
from zkfake.history import Sent
from zkfake.simulation import Simulation, explore

if TYPE_CHECKING:
    import pytest
    from kazoo.client import KazooClient

HERE = Path(__file__)


def line_of(code: str) -> int:
    (found,) = [
        number
        for number, line in enumerate(HERE.read_text("utf-8").splitlines(), 1)
        if line.strip() == code
    ]
    return found


def put(client: KazooClient) -> None:
    client.create("/jobs/job-", sequence=True)


def put_with_a_recipe(client: KazooClient) -> None:
    client.retry(client.ensure_path, "/jobs/a/b")


def watch(client: KazooClient) -> None:
    client.DataWatch("/jobs", lambda *_: None)


def work(sim: Simulation) -> None:
    sim.load({"/jobs": b""})
    ann, bob = sim.client("ann"), sim.client("bob")
    watch(ann)
    tasks = [sim.spawn(put, bob), sim.spawn(put_with_a_recipe, bob)]
    for task in tasks:
        task.result()
    bob.set_async("/jobs", b"1").get()
    sim.settle()


def kept() -> Simulation:
    sim = Simulation()

    def whole(sim: Simulation) -> None:
        sim._keep_lines()
        work(sim)

    sim.run(whole)
    return sim


def test_a_request_has_the_innermost_line_of_the_program() -> None:
    sim = kept()
    found: dict[tuple[str, tuple[str, ...]], set[int]] = {}
    for event in sim.history.of(Sent):
        line = sim._lines.get(event.number)
        if line is not None:
            assert Path(line.filename) == HERE
            found.setdefault((event.operation, event.paths), set()).add(line.lineno or 0)
    assert found[("create", ("/jobs/job-",))] == {
        line_of('client.create("/jobs/job-", sequence=True)')
    }
    assert found[("exists", ("/jobs/a/b",))] == {
        line_of('client.retry(client.ensure_path, "/jobs/a/b")')
    }
    assert found[("setData", ("/jobs",))] == {line_of('bob.set_async("/jobs", b"1").get()')}


def test_what_a_client_asks_for_by_itself_has_no_line() -> None:
    """A watch that reads again, in a thread of the client's; the handshakes."""
    sim = kept()
    reads = [event for event in sim.history.of(Sent) if event.operation == "getData"]
    lines = [sim._lines.get(event.number) for event in reads]
    assert len(lines) == 2
    assert lines[0] is not None
    assert (lines[0].name, lines[1]) == ("watch", None)
    shakes = [event for event in sim.history.of(Sent) if event.operation == "connect"]
    assert shakes
    assert not any(event.number in sim._lines for event in shakes)


def test_to_keep_lines_changes_nothing_of_a_run() -> None:
    plain = Simulation()
    plain.run(work)
    assert kept().history.digest() == plain.history.digest()
    assert not plain._lines


def test_a_line_is_told_once_with_its_requests_and_a_file_from_the_current_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sim = kept()
    monkeypatch.chdir(HERE.parent.parent)
    creates = [event for event in sim.history.of(Sent) if event.operation == "create"]
    told = " ".join(" ".join(sent_from(sim.history, sim._lines, creates)).split())
    number = line_of('client.create("/jobs/job-", sequence=True)')
    assert told.startswith("The program asks for that here:")
    assert f"- search/test_senders.py:{number} in put: request " in told
    assert len(re.findall("in put_with_a_recipe: ", told)) <= 1
    monkeypatch.chdir(tmp_path)
    assert f"- test_senders.py:{number} in put: " in sent_from(sim.history, sim._lines, creates)[1]
    assert sent_from(sim.history, {}, creates) == []


def put_until_it_is_there(client: KazooClient) -> None:
    try:
        put(client)
    except ConnectionLoss:
        put(client)


def lose_jobs(sim: Simulation) -> None:
    sim.load({"/jobs": b""})
    client = sim.client("ann")
    for _ in range(2):
        put_until_it_is_there(client)
    assert len(sim.dump("/jobs")) == 3


def test_an_explanation_has_the_lines_of_what_it_names() -> None:
    found = explore(lose_jobs, seeds=100, jobs=1, allow=KazooException, stop_after=1)
    text = " ".join(found.failures[0].explanation.split())
    number = line_of('client.create("/jobs/job-", sequence=True)')
    assert re.search(
        rf"The program asks for that here: - \S*test_senders.py:{number} in put: "
        r"requests \d+ and \d+ of ann \(create /jobs/job-\) It needs this:",
        text,
    )
