"""The page of a timeline in a browser: each control is used, and its effect is seen.

What is on the canvas is asked of the page, which says what it has drawn (`window.zkfakeTimeline`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from zkfake._history.timeline import timeline
from zkfake._history.timeline.picture import kind_of
from zkfake.history import (
    Claimed,
    Event,
    History,
    LogLine,
    Note,
    Recorded,
    TaskEnded,
    WatchEvent,
    at_most,
)
from zkfake.simulation import Simulation

from ..support.browser import browser
from .failures import FAILURES, run
from .test_timeline import CallbackEnded, DictShown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

__all__ = ["browser"]


class Page:
    """A timeline that is open."""

    def __init__(self, driver: Chrome, path: Path) -> None:
        """``path``: of the page, in a folder of the test's own."""
        self.driver = driver
        self._path = path

    def open(self, text: str) -> None:
        self._path.write_text(text, encoding="ascii")
        self.driver.get(self._path.as_uri())

    def state(self) -> Any:
        return self.run("return zkfakeTimeline.state()")

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def the(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def click(self, selector: str) -> Any:
        self.the(selector).click()
        return self.state()

    def choose(self, selector: str, value: str) -> Any:
        Select(self.the(selector)).select_by_value(value)
        return self.state()

    def type(self, selector: str, *keys: str) -> Any:
        self.the(selector).send_keys(*keys)
        return self.state()

    def keys(self, *keys: str) -> Any:
        return self.type("#canvas", *keys)

    def clear(self, selector: str) -> Any:
        return self.type(selector, Keys.CONTROL + "a", Keys.BACKSPACE)

    def box(self, name: str) -> WebElement:
        """The check box of that name."""
        (found,) = (each for each in self.all(".menu label") if each.text == name)
        return found.find_element(By.TAG_NAME, "input")

    def point(self, mark: int) -> tuple[int, int]:
        """Where an event is in the window."""
        found = self.run("return zkfakeTimeline.pointOf(arguments[0])", mark)
        return round(found["x"]), round(found["y"])

    def mouse(self, mark: int) -> ActionChains:
        """The mouse, moved onto an event."""
        actions = ActionChains(self.driver, duration=0)
        actions.w3c_actions.pointer_action.move_to_location(*self.point(mark))
        return actions


@pytest.fixture
def opened(browser: Chrome, tmp_path: Path) -> Iterator[Page]:
    """Nothing goes wrong in a page, and it loads nothing."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.get_log("browser")  # what another page has left there
    page = Page(browser, tmp_path / "page.html")
    yield page
    assert browser.get_log("browser") == []
    assert (
        page.run("return performance.getEntriesByType('resource').map((each) => each.name)") == []
    )


@pytest.fixture(scope="module")
def two_owners() -> str:
    """Two have a lock: one stood still."""
    (failure,) = (each for each in FAILURES if each.cause == "paused")
    sim, verdict = run(failure)
    return sim.history.timeline(verdict, title=failure.title)


@pytest.fixture
def page(opened: Page, two_owners: str) -> Page:
    opened.open(two_owners)
    return opened


def span(state: Any) -> float:
    return float(state["to"] - state["from"])


# -- what is there


def test_a_finding_and_its_cause_are_told_and_on_the_canvas(page: Page) -> None:
    state = page.state()
    assert page.driver.title.startswith("Two have a lock")
    assert page.the("#headline").text == "Broken: at most 1 lock"
    assert "2 hold 'lock' at once" in page.the("#findings").text
    assert "ann's session ended" in page.the("#findings").text
    assert state["lanes"] == [
        "faults",
        "task ann",
        "client ann",
        "sessions of ann",
        "task bob",
        "client bob",
        "callbacks of bob",
        "sessions of bob",
        "server 1",
    ]
    bands = [(band["kind"], band["text"]) for band in state["bands"]]
    assert ("expired", "over; its client does not know") in bands
    assert ("paused", "pause: ann") in bands
    assert [kind for kind, _ in bands].count("claim") == 2
    assert [kind for kind, _ in bands].count("claim lost") == 1
    assert len(state["evidence"]) >= 5
    assert set(state["evidence"]) <= set(state["marks"])
    assert {arrow["style"] for arrow in state["arrows"]} == {"request", "reply", "event"}
    assert "has lock" in state["labels"]


def test_every_control_has_a_name(page: Page) -> None:
    for menu in page.all(".menu summary, #legend-section summary"):
        menu.click()
    page.state()
    tree = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"button", "checkbox", "combobox", "searchbox", "textbox", "application", "toolbar"}
    named: dict[str, list[str]] = {}
    for node in tree:
        role = node.get("role", {}).get("value")
        if role in roles and not node.get("ignored"):
            named.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    assert set(named) >= roles - {"textbox"}
    assert all(name for names in named.values() for name in names), named
    (canvas,) = named["application"]
    assert canvas.startswith("Timeline, ")


def test_kinds_can_be_told_apart_without_colour(opened: Page, recorded: History) -> None:
    """Every kind of event is drawn, and no two shapes of the legend cover the same pixels."""
    entries: list[Any] = [
        *recorded.in_order(),
        Note(100.0, "main", "it"),
        LogLine(100.0, "main", "program", "INFO", "it"),
        Recorded(100.0, "main", "did", "it", None),
        Claimed(100.0, "main", 1, "it", None),
        TaskEnded(100.0, "main", ""),
        CallbackEnded(100.0, "client-1", 1),
        DictShown(100.0, 1, 1),
    ]
    opened.open(timeline(entries, History().check(), "kinds"))
    opened.click("#legend-section summary")
    shapes = opened.run(
        """return [...document.querySelectorAll("#legend canvas")].map((canvas) => {
             const { width, height } = canvas;
             const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
             const dark = [];
             for (let at = 3; at < data.length; at += 4) dark.push(data[at] > 127 ? 1 : 0);
             return [canvas.parentElement.textContent, dark.join("")];
           })"""
    )
    drawn = dict(reversed(shapes))  # bands, of which some have the name of a kind, come last
    kinds = opened.run("return JSON.parse(document.getElementById('picture').textContent).kinds")
    assert {kind_of(tuple.__new__(each)) for each in get_args(Event)} <= set(kinds)
    assert len({drawn[kind] for kind in kinds}) == len(kinds)


# -- the part in view


def test_the_axis_is_a_switch(page: Page) -> None:
    assert page.state()["axis"] == "order"
    time = page.choose("#axis", "time")
    assert time["axis"] == "time"
    assert time["to"] > 72
    zxid = page.choose("#axis", "zxid")
    assert zxid["axis"] == "zxid"
    assert set(zxid["evidence"]) <= set(zxid["marks"])
    page.click("#zoom-evidence")
    near = page.choose("#axis", "time")
    assert set(near["evidence"]) <= set(near["marks"])


def test_times_are_whole_and_none_is_written_twice(page: Page) -> None:
    """Many events of virtual time have one time."""
    page.run(
        """
        const own = CanvasRenderingContext2D.prototype.fillText;
        window.written = [];
        CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
          if (y === 28) window.written = [];  // the title of the axis: a frame begins
          if (y === 26) {
            written.push([text, x + this.measureText(text).width, this.canvas.clientWidth]);
          }
          own.call(this, text, x, y);
        };
        """
    )
    for press in ("#zoom-in", "#zoom-in", "#zoom-in", "#zoom-all"):
        page.click(press)
        written = page.run("return written")
        texts = [text for text, _, _ in written]
        assert texts
        assert len(set(texts)) == len(texts)
        assert all(end <= width for _, end, width in written)


def test_on_the_axis_of_zxids_a_reply_with_old_data_goes_back(opened: Page) -> None:
    (failure,) = (each for each in FAILURES if each.cause == "behind")
    sim, verdict = run(failure)
    opened.open(sim.history.timeline(verdict))
    (cause,) = opened.run(
        "return JSON.parse(document.getElementById('picture').textContent).findings[0].causes"
    )
    sent, reply = cause["events"][-2:]
    assert opened.point(sent)[0] < opened.point(reply)[0]
    opened.choose("#axis", "zxid")
    assert opened.point(reply)[0] < opened.point(sent)[0]


def test_zoom_by_buttons_keys_and_wheel(page: Page) -> None:
    whole = page.state()
    nearer = page.click("#zoom-in")
    assert span(nearer) < span(whole)
    assert span(page.click("#zoom-out")) == pytest.approx(span(whole))
    assert span(page.keys("+")) < span(whole)
    assert span(page.keys("-")) == pytest.approx(span(whole))
    mark = whole["evidence"][1]
    before = page.point(mark)
    wheel = {"type": "mouseWheel", "x": before[0], "y": before[1], "deltaX": 0, "deltaY": -240}
    page.driver.execute_cdp_cmd("Input.dispatchMouseEvent", wheel)
    assert span(page.state()) < span(whole)
    assert page.point(mark)[0] == pytest.approx(before[0], abs=2)
    assert span(page.click("#zoom-all")) == pytest.approx(span(whole))
    page.keys("+", "+")
    assert span(page.keys("0")) == pytest.approx(span(whole))


def test_a_double_click_zooms_in(page: Page) -> None:
    whole = page.state()
    page.mouse(whole["evidence"][1]).double_click().perform()
    assert span(page.state()) < span(whole) / 2


def test_pan_by_keys_and_by_drag(page: Page) -> None:
    page.click("#zoom-in")
    start = page.click("#zoom-in")
    right = page.keys(Keys.SHIFT + Keys.ARROW_RIGHT)
    assert right["from"] > start["from"]
    assert span(right) == pytest.approx(span(start))
    back = page.keys(Keys.SHIFT + Keys.ARROW_LEFT)
    assert back["from"] == pytest.approx(start["from"])
    mark = start["marks"][len(start["marks"]) // 2]
    x, _ = page.point(mark)
    page.mouse(mark).click_and_hold().move_by_offset(-100, 0).release().perform()
    assert page.state()["from"] > start["from"]
    assert page.point(mark)[0] == pytest.approx(x - 100, abs=2)
    assert page.state()["selected"] == -1, "a drag is not a click"


def test_lanes_scroll_where_they_have_no_room(page: Page) -> None:
    page.driver.set_window_size(1280, 420)
    try:
        assert page.state()["top"] == 0
        assert page.keys(Keys.SHIFT + Keys.ARROW_DOWN)["top"] > 0
        assert page.keys(Keys.SHIFT + Keys.ARROW_UP)["top"] == 0
    finally:
        page.driver.set_window_size(1280, 800)


# -- what is selected


def test_a_click_selects_an_event_and_says_all_of_it(page: Page) -> None:
    request = page.run(
        """const picture = JSON.parse(document.getElementById("picture").textContent);
           const labels = picture.marks.label.map((label) => picture.texts[label]);
           return picture.exchanges.find(([sent]) => labels[sent].startsWith("getChildren"))"""
    )
    sent, reply = request[0], request[1]
    page.mouse(sent).click().perform()
    assert page.state()["selected"] == sent
    details = page.the("#details").text
    assert "getChildren /lock" in details
    assert "client ann" in details
    assert f"list(history.in_order())[{sent}]" in details
    assert "getChildren /lock" in page.the("#announcement").get_attribute("textContent")
    page.the("#details button").click()
    assert page.state()["selected"] == reply
    assert page.keys(Keys.ESCAPE)["selected"] == -1


def test_what_the_mouse_is_over_is_told(page: Page) -> None:
    page.mouse(page.state()["evidence"][1]).perform()
    assert "ann" in page.the("#tip").text
    page.mouse(page.state()["evidence"][1]).move_by_offset(5, 15).perform()
    assert page.the("#tip").text.startswith("holds lock")


def test_the_list_jumps_to_the_evidence(page: Page) -> None:
    page.keys("+", "+", "+", "+", "+", "+", Keys.HOME)
    for button in page.all("#findings ol button"):
        mark = int(button.get_attribute("data-mark") or "-1")
        button.click()
        state = page.state()
        assert state["selected"] == mark
        assert mark in state["marks"]
        assert button.get_attribute("aria-current") == "true"


def test_keys_go_from_evidence_to_evidence(page: Page) -> None:
    evidence = page.state()["evidence"]
    assert [page.keys("e")["selected"] for _ in evidence] == evidence
    assert page.keys("e")["selected"] == evidence[0]
    assert page.keys("E")["selected"] == evidence[-1]


def test_keys_go_from_event_to_event_and_from_lane_to_lane(page: Page) -> None:
    first = page.keys(Keys.HOME)["selected"]
    assert first == 0
    lane_of = page.run(
        "return JSON.parse(document.getElementById('picture').textContent).marks.lane"
    )
    on_lane = [mark for mark, lane in enumerate(lane_of) if lane == lane_of[0]]
    assert page.keys(Keys.ARROW_RIGHT)["selected"] == on_lane[1]
    assert page.keys(Keys.ARROW_LEFT)["selected"] == 0
    up = page.keys(Keys.ARROW_UP)["selected"]
    assert lane_of[up] == lane_of[0] - 2, "the lane above has no events"
    assert lane_of[page.keys(Keys.ARROW_DOWN)["selected"]] == lane_of[0]
    assert page.keys(Keys.END)["selected"] == len(lane_of) - 1


def test_the_events_in_view_are_a_list(page: Page) -> None:
    state = page.click("#zoom-in")
    buttons = page.all("#events button")
    marks = [int(button.get_attribute("data-mark") or "-1") for button in buttons]
    assert marks == sorted(state["marks"])
    buttons[3].click()
    assert page.state()["selected"] == marks[3]


# -- what is shown


def test_only_what_concerns_the_finding(opened: Page) -> None:
    with Simulation(seed=1) as sim:
        for name in ("ann", "bob", "cyd", "dan"):
            client = sim.client(name)
            client.create(f"/of-{name}", b"")
        for task in [sim.spawn(_claim, sim, name=name) for name in ("ann", "bob")]:
            task.result()
    claims = sim.history.check(at_most(1, "it", good=False))
    opened.open(sim.history.timeline(claims))
    everything = opened.state()
    assert not claims
    only = opened.click("#focus")
    assert only["shown"] < everything["shown"]
    assert "client cyd" in everything["lanes"]
    assert [lane for lane in only["lanes"] if "cyd" in lane or "dan" in lane] == []
    assert opened.click("#focus")["lanes"] == everything["lanes"]


def _claim(sim: Simulation) -> None:
    with sim.history.claim("it"):
        sim.sleep(1)


def test_kinds_are_a_filter(page: Page) -> None:
    whole = page.state()
    page.the("#kinds-title").click()
    page.box("request").click()
    without = page.state()
    assert without["shown"] < whole["shown"]
    assert not [arrow for arrow in without["arrows"] if arrow["style"] == "request"]
    assert [arrow for arrow in without["arrows"] if arrow["style"] == "reply"]
    page.box("request").click()
    assert page.state()["shown"] == whole["shown"]


def test_lanes_are_a_filter(page: Page) -> None:
    whole = page.state()
    page.the("#lanes-title").click()
    page.box("client ann").click()
    without = page.state()
    others = [lane for lane in whole["lanes"] if lane != "client ann"]
    assert without["lanes"][: len(others)] == others  # what was below them comes into view
    assert without["shown"] < whole["shown"]
    page.type("#lane-search", "bob")
    assert [each.text for each in page.all("#lane-boxes label")] == [
        "task bob",
        "client bob",
        "callbacks of bob",
        "sessions of bob",
    ]
    assert not [lane for lane in page.click("#lanes-none")["lanes"] if "bob" in lane]
    page.clear("#lane-search")
    assert page.click("#lanes-all")["lanes"] == whole["lanes"]
    page.click("#lanes-none")
    assert "Nothing is shown" in page.the("#hint").text


@pytest.fixture
def no_observer(browser: Chrome) -> Iterator[None]:
    """No page is told of a change of its size: a browser under load tells it late."""
    script = "window.ResizeObserver = class { observe() {} };"
    add, remove = (f"Page.{do}ScriptToEvaluateOnNewDocument" for do in ("add", "remove"))
    added = browser.execute_cdp_cmd(add, {"source": script})
    yield
    browser.execute_cdp_cmd(remove, added)


@pytest.mark.usefixtures("no_observer")
def test_the_size_does_not_wait_for_a_frame(page: Page) -> None:
    whole = page.state()["lanes"]
    page.run("document.getElementById('stage').style.maxHeight = '120px'")
    assert 0 < len(page.state()["lanes"]) < len(whole)
    page.run("document.getElementById('stage').style.maxHeight = ''")
    assert page.state()["lanes"] == whole


def test_a_path_and_what_is_below_it(page: Page) -> None:
    whole = page.state()
    some = page.type("#path", "/lock")
    assert 0 < some["shown"] <= whole["shown"]
    assert "create /lock" in " ".join(some["labels"])
    none = page.type("#path", "s")
    assert "create /lock" not in " ".join(none["labels"])
    assert none["shown"] < some["shown"]
    assert "has lock" not in none["labels"], "a claim has the path of its znode"
    assert "pause: ann" in none["labels"], "what has no path stays"
    assert page.clear("#path")["shown"] == whole["shown"]


def test_a_path_is_not_the_beginning_of_a_name(opened: Page) -> None:
    history = History()
    for path in ("/a", "/a/b", "/ab", "/a"):
        history.append(WatchEvent(1.0, "ann", 1, "CHANGED", path, 1))
    opened.open(history.timeline())
    assert opened.type("#path", "/")["shown"] == 4
    assert opened.type("#path", "a")["marks"] == [0, 1, 3]
    assert opened.type("#path", "/")["marks"] == [0, 1, 3]
    assert opened.type("#path", "b")["marks"] == [1]


def test_search(page: Page) -> None:
    page.driver.find_element(By.TAG_NAME, "body").send_keys("/")
    assert page.driver.switch_to.active_element == page.the("#search")
    found = page.type("#search", "GETCHILDREN")
    assert len(found["matches"]) > 2
    assert page.the("#matches").text == f"{len(found['matches'])} found"
    assert page.type("#search", Keys.ENTER)["selected"] == found["matches"][0]
    assert page.the("#matches").text == f"1 of {len(found['matches'])}"
    assert page.click("#search-on")["selected"] == found["matches"][1]
    assert page.click("#search-back")["selected"] == found["matches"][0]
    assert page.click("#search-back")["selected"] == found["matches"][-1]
    assert page.type("#search", "xyz")["matches"] == []
    assert page.the("#matches").text == "0 found"


def test_light_and_dark(page: Page) -> None:
    def system(value: str) -> None:
        """What the system prefers, and until the page has heard of it."""
        query = f"matchMedia('(prefers-color-scheme: {value})')"
        page.run(f"window.heard = 0; {query}.onchange = () => {{ window.heard = 1; }}")
        features = [{"name": "prefers-color-scheme", "value": value}]
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        WebDriverWait(page.driver, 30).until(lambda _: page.run("return window.heard"))

    def ground() -> str:
        return page.the("body").value_of_css_property("background-color")

    system("dark")
    assert page.state()["dark"]
    dark = ground()
    system("light")
    assert not page.state()["dark"]
    light = ground()
    assert dark != light
    assert page.choose("#theme", "dark")["dark"]
    assert ground() == dark
    assert not page.choose("#theme", "light")["dark"]
    system("dark")
    assert not page.state()["dark"], "the switch beats the system"
    assert ground() == light
    assert page.choose("#theme", "system")["dark"]


# -- messages that are lost


def test_a_lost_reply_is_crossed_out(opened: Page) -> None:
    (failure,) = (each for each in FAILURES if each.cause == "double")
    sim, verdict = run(failure)
    opened.open(sim.history.timeline(verdict))
    state = opened.state()
    assert {"style": "reply", "lost": True, "unsure": False} in state["arrows"]
    picture = opened.run("return JSON.parse(document.getElementById('picture').textContent)")
    (lost,) = (each[0] for each in picture["exchanges"] if each[4] > 1)
    opened.mouse(lost).click().perform()
    opened.state()
    assert "carried out, and the reply was lost" in opened.the("#details").text


# -- however many, whatever is in it


def over_and_over(recorded: History, times: int) -> History:
    """A run again and again, one after the other."""
    history = History()
    for turn in range(times):
        for event in recorded:
            fields = {"time": event.time + 100 * turn}
            for name in ("connection", "number"):
                if hasattr(event, name):
                    fields[name] = getattr(event, name) + 10_000 * turn
            history.append(event._replace(**fields))
    return history


def test_a_frame_of_ten_thousand_events_is_as_small_as_one_of_a_few(
    opened: Page, recorded: History
) -> None:
    history = over_and_over(recorded, 15)
    opened.open(history.timeline(History().check()))
    opened.run(
        """
        window.farthest = 0;
        for (const name of ["moveTo", "lineTo"]) {
          const draw = CanvasRenderingContext2D.prototype[name];
          CanvasRenderingContext2D.prototype[name] = function (x, y) {
            window.farthest = Math.max(window.farthest, Math.abs(x), Math.abs(y));
            return draw.call(this, x, y);
          };
        }
        """
    )
    limits = opened.run("return zkfakeTimeline.limits")
    state = opened.state()
    assert state["events"] >= 10_000
    assert not state["detail"]
    assert state["columns"] == state["inView"] > 5_000, "each event is in one column"
    assert "zoom in to see single messages" in opened.the("#hint").text
    seen = []
    for axis in ("order", "time", "zxid"):
        opened.choose("#axis", axis)
        opened.keys("0")
        for _ in range(5):
            state = opened.keys("+", "+", "+", "+")
            seen.append(state["items"])
            assert state["items"] <= limits["items"]
            assert state["detail"] == (state["inView"] <= limits["detail"])
    assert max(seen) < 3_000
    # The dashes of lines that went far beyond the canvas took a browser a minute for one frame.
    assert 0 < opened.run("return window.farthest") < 5_000
    assert opened.run("return document.querySelectorAll('*').length") < 1_000
    opened.choose("#axis", "order")
    opened.keys("0")
    state = opened.keys(*"++++++++++")
    assert state["detail"]
    assert state["arrows"]
    assert len(state["marks"]) == state["inView"]


def test_a_column_selects_its_first_event(opened: Page) -> None:
    history = History()
    for number in range(1_000):
        history.append(Note(number / 10, "main", f"number {number}"))
    opened.open(history.timeline())
    assert not opened.state()["detail"]
    found = opened.type("#search", "number 500")
    assert found["matches"] == [500]
    opened.type("#search", Keys.ENTER)
    x, y = opened.point(500)
    actions = ActionChains(opened.driver, duration=0)
    actions.w3c_actions.pointer_action.move_to_location(x + 60, y)
    actions.click().perform()
    assert 500 < opened.state()["selected"] < 700


@pytest.mark.parametrize("count", [0, 1])
def test_an_empty_history_and_one_of_one_event(count: int, opened: Page) -> None:
    history = History()
    for number in range(count):
        history.append(Note(float(number), "main", "it"))
    opened.open(history.timeline())
    assert opened.the("#headline").text == "Nothing is broken"
    for axis in ("time", "zxid", "order"):
        state = opened.choose("#axis", axis)
        assert len(state["marks"]) == count
    opened.keys("+", "-", "0", "e", Keys.HOME, Keys.END, Keys.ARROW_UP, Keys.ARROW_LEFT)
    assert opened.state()["selected"] == count - 1


def test_markup_in_a_history_is_text(opened: Page) -> None:
    text = "</script><img src=x onerror='window.struck=1'><script>window.struck=1</script>"
    history = History(task=lambda: text)
    history.note(text)
    history.record(text, text)
    with history.claim(text, znode=f"/{text}"):
        pass
    opened.open(history.timeline(title=text))
    assert opened.keys(Keys.HOME)["selected"] == 0
    for menu in opened.all(".menu summary"):
        menu.click()
    opened.type("#search", "img", Keys.ENTER)
    opened.mouse(0).perform()
    assert opened.state()["matches"]
    assert opened.driver.title == text
    assert text in opened.the("#details").text
    assert opened.run("return window.struck") is None
    assert opened.run("return document.images.length") == 0
