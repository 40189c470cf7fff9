"""The console in a browser: what a user does, and what is seen then.

Every question waits until the answer is there; no test waits for a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from .asking import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

    from zkfake.web import ControlEndpoint

__all__ = ["Console"]

_NOT_YET = (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
"""What a page that is still drawing has for a moment."""

_NAMED = """
  const [selector, name, within] = arguments;
  const named = (each) => (each.getAttribute("aria-label") ?? each.textContent).trim() === name;
  const open = document.querySelector("dialog[open]");
  const place = within ? document.querySelector(within) : open ?? document;
  return [...(place?.querySelectorAll(selector) ?? [])].find(named) ?? null;
"""


class Console:
    """The console of an endpoint."""

    def __init__(self, driver: Chrome, endpoint: ControlEndpoint) -> None:
        self.driver = driver
        self.endpoint = endpoint

    # -- what is there

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: Callable[[], Any]) -> Any:
        """The first answer that is true."""
        waiting = WebDriverWait(self.driver, TIMEOUT, 0.05, ignored_exceptions=_NOT_YET)
        return waiting.until(lambda _: condition())

    def the(self, selector: str) -> WebElement:
        return self.wait(lambda: self.driver.find_element(By.CSS_SELECTOR, selector))

    def text(self, selector: str) -> str:
        """What is seen of a place; nothing of one that is not there."""
        script = "return document.querySelector(arguments[0])?.innerText ?? ''"
        return str(self.run(script, selector))

    def sees(self, selector: str, *texts: str) -> None:
        """Waits until a place has the texts."""
        self.wait(lambda: all(each in self.text(selector) for each in texts))

    def sees_no(self, selector: str, text: str) -> None:
        """Waits until a place has the text no more."""
        self.wait(lambda: text not in self.text(selector))

    # -- what is done

    def open(self) -> None:
        """The address that zkfake prints."""
        self.driver.get(self.endpoint.console)
        self.wait(lambda: self.row("/"))
        self.sees("#state", "connected")

    def _press(self, find: Callable[[], WebElement | None]) -> None:
        def pressed() -> bool:
            found = find()
            if found is None or not found.is_enabled():
                return False
            found.click()
            return True

        self.wait(pressed)

    def press(self, name: str, within: str = "") -> None:
        """A button, by its name; of a dialog, if one is open."""
        self._press(lambda: self.run(_NAMED, "button", name, within))

    def view(self, name: str) -> None:
        self._press(lambda: self.run(_NAMED, "#views a", name, ""))
        self.wait(lambda: self.driver.title == f"zkfake: {name}")

    def click(self, selector: str) -> None:
        self._press(lambda: self.driver.find_element(By.CSS_SELECTOR, selector))

    def fill(self, selector: str, text: str) -> None:
        """A field has this text then, as if it had been typed."""

        def filled() -> bool:
            self.driver.find_element(By.CSS_SELECTOR, selector).send_keys(
                Keys.CONTROL + "a" + Keys.NULL, Keys.DELETE, *([text] if text else [])
            )
            return bool(
                self.run("return document.querySelector(arguments[0]).value", selector) == text
            )

        self.wait(filled)

    def choose(self, selector: str, value: str) -> None:
        def chosen() -> bool:
            Select(self.driver.find_element(By.CSS_SELECTOR, selector)).select_by_value(value)
            return True

        self.wait(chosen)

    # -- the tree

    def row(self, path: str) -> Any:
        script = """return [...document.querySelectorAll("#tree .row")]
                      .find((each) => each.dataset.path === arguments[0]) ?? null"""
        return self.run(script, path)

    def rows(self) -> list[str]:
        """The paths of the rows that are drawn, from above."""
        script = """const rows = [...document.querySelectorAll("#tree .row[data-path]")];
                    rows.sort((one, other) => one.dataset.index - other.dataset.index);
                    return rows.map((each) => each.dataset.path)"""
        return list(self.run(script))

    def current(self) -> str:
        return str(self.run("return document.querySelector('#tree .current')?.dataset.path ?? ''"))

    def keys(self, *keys: str) -> None:
        self.the("#tree").send_keys(*keys)

    def go(self, path: str) -> None:
        """Selects a znode by its rows, and waits until it is shown."""
        parts = path.split("/")[1:] if path != "/" else []
        for depth in range(len(parts)):
            above = "/" + "/".join(parts[:depth])
            below = "/" + "/".join(parts[: depth + 1])
            self.wait(lambda above=above, below=below: self._opened(above, below))  # type: ignore[misc]
        self._press(lambda: self.row(path))
        self.shown(path)

    def _opened(self, above: str, below: str) -> bool:
        """Whether a row is there. One that is closed above it is opened; an open one stays so."""
        if self.row(below) is not None:
            return True
        row = self.row(above)
        if row is not None and row.get_attribute("aria-expanded") == "false":
            row.find_element(By.CSS_SELECTOR, ".twist").click()
        return False

    def shown(self, path: str) -> None:
        """Waits until a znode is shown."""
        script = "return document.querySelector('#znode')?.dataset.shown ?? ''"
        self.wait(lambda: self.run(script).rpartition(" ")[0] == path)
        self.wait(lambda: self.current() == path)

    def slide(self, place: int) -> None:
        """The slider is drawn to a place; from the end if it is negative."""
        self.run(
            """const slider = document.querySelector("#slider");
               const place = arguments[0];
               slider.value = place < 0 ? Number(slider.max) + 1 + place : place;
               slider.dispatchEvent(new Event("input", {bubbles: true}));""",
            place,
        )
