"""The places of a module that do nothing while the code runs: nothing is to be changed there."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Place = tuple[int, int]
Span = tuple[Place, Place]
"""Where it begins, and where it has ended: line and column."""


def silent_places(tree: ast.AST) -> Iterator[Span]:
    for node in ast.walk(tree):
        match node:
            case ast.arg(annotation=ast.expr() as found) | ast.AnnAssign(annotation=found):
                yield _span(found)
            case ast.FunctionDef(returns=ast.expr() as found):
                yield _span(found)
            case ast.If(test=ast.Name("TYPE_CHECKING"), body=body):
                yield (node.lineno, 0), _span(body[-1])[1]
            case ast.keyword("slots"):  # of a dataclass: what it takes of memory
                yield _span(node)
            case ast.ClassDef(bases=bases) if any("Protocol" in ast.dump(base) for base in bases):
                yield _span(node)
            case ast.Assign(targets=[ast.Name(name)]) if _is_a_type(name, node.value):
                yield _span(node)
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if ast.unparse(decorator) in ("overload", "abstractmethod", "override"):
                    yield (decorator.lineno, decorator.col_offset - 1), _span(node)[1]


def _is_a_type(name: str, value: ast.expr) -> bool:
    """Whether an assignment gives a type a name, or is `__all__` or `__slots__`."""
    if name.startswith("__"):
        return True
    camel = name.lstrip("_")[:1].isupper() and name != name.upper()
    return camel and isinstance(value, (ast.Subscript, ast.BinOp))


def _span(node: Any) -> Span:
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
