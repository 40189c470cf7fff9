"""The OpenAPI document says what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkfake._web.app import document
from zkfake._web.openapi import made

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .asking import Asking

METHODS = {"get", "post", "put", "delete", "patch"}


def parts(document: dict[str, Any]) -> dict[str, Any]:
    """What the document comes to, in whatever words a version of the library has it."""
    found: dict[str, Any] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                found[f"{method} {path}"] = {
                    "parameters": sorted(
                        (each["name"], each["in"], each.get("required", False))
                        for each in operation.get("parameters", ())
                    ),
                    "body": _referred(operation.get("requestBody")),
                    "replies": {
                        status: _referred(reply) for status, reply in operation["responses"].items()
                    },
                }
    for name, schema in document["components"]["schemas"].items():
        found[name] = (sorted(schema.get("properties", ())), sorted(schema.get("required", ())))
    return found


def _referred(part: dict[str, Any] | None) -> Any:
    if not part or "content" not in part:
        return None
    return {kind: each.get("schema", {}).get("$ref") for kind, each in part["content"].items()}


def test_it_is_up_to_date() -> None:
    """Otherwise: python -m zkfake._web.openapi"""
    assert parts(document()) == parts(made())


def test_everything_is_described() -> None:
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            assert operation["description"].endswith("."), (method, path)
            for each in operation.get("parameters", ()):
                assert each.get("description"), (path, each["name"])


def test_it_is_served(asking: Asking) -> None:
    assert asking.get("/openapi.json") == document()


def _numbers(schema: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        if schema.get("type") in ("integer", "number"):
            yield where, schema
        for name, each in schema.items():
            yield from _numbers(each, f"{where}.{name}")
    elif isinstance(schema, list):
        for each in schema:
            yield from _numbers(each, where)


def test_what_is_given_has_bounds() -> None:
    """Those that are checked: a client of another language sees them here."""
    described = document()
    given = [each for each in described["components"]["schemas"] if each.endswith("Body")]
    assert len(given) > 20
    found = [
        *(
            each
            for name in given
            for each in _numbers(described["components"]["schemas"][name], name)
        ),
        *(
            each
            for path, item in described["paths"].items()
            for operation in item.values()
            for each in _numbers(operation.get("parameters", []), path)
        ),
    ]
    assert len(found) > 50
    for where, schema in found:
        assert "minimum" in schema, where
        assert {"maximum", "exclusiveMaximum"} & schema.keys(), where
