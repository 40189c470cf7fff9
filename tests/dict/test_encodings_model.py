"""Model: values checked and written by pydantic."""

import dataclasses
import sys
from typing import Annotated, Any, Optional

import pytest

from zkdict.encodings import Compressed, Model
from zkdict.errors import DecodeError, EncodeError

pydantic = pytest.importorskip(
    "pydantic", reason='install the extra: pip install "zkdict[pydantic]"'
)


class Server(pydantic.BaseModel):  # type: ignore[name-defined,misc]
    host: str
    port: int = 2181
    weight: float = pydantic.Field(1.0, alias="w")


class Loose(pydantic.BaseModel):  # type: ignore[name-defined,misc]
    secret: str = pydantic.Field("", exclude=True)


@dataclasses.dataclass
class Point:
    x: int
    y: int


def test_a_model_comes_back() -> None:
    encoding = Model(Server)
    data = encoding.encode(Server(host="a", w=0.5))
    assert data == b'{"host":"a","port":2181,"w":0.5}'
    assert encoding.decode(data) == Server(host="a", w=0.5)


def test_a_dataclass_and_a_plain_type_come_back() -> None:
    assert Model(Point).decode(Model(Point).encode(Point(1, 2))) == Point(1, 2)
    assert Model(list[int]).decode(Model(list[int]).encode([1, 2])) == [1, 2]
    assert Compressed(Model(Point), 0).decode(b'{"x":1,"y":2}') == Point(1, 2)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (Server, {"host": "a"}),  # a dict, not a Server
        (Server, Server.model_construct(host=1)),
        (list[int], (1, 2)),
        (list[int], ["1"]),
        (list[int], [True]),
        (int, True),
        (float, float("nan")),
        (Loose, Loose(secret="kept out of the JSON")),
        (Point, Point("1", 2)),  # type: ignore[arg-type]
    ],
)
def test_a_value_that_would_come_back_different_is_refused(type_: Any, value: Any) -> None:
    with pytest.raises(EncodeError):
        Model(type_).encode(value)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"host": 1}', b"\xff", b"[1]"])
def test_bytes_of_another_shape_do_not_decode(data: bytes) -> None:
    with pytest.raises(DecodeError, match="not a valid Server"):
        Model(Server).decode(data)


def test_an_int_is_a_fine_float_and_a_type_may_convert() -> None:
    assert Model(list[float]).decode(Model(list[float]).encode([1])) == [1.0]
    assert Model(float).decode(Model(float).encode(1)) == 1.0
    text_int = Annotated[int, pydantic.PlainSerializer(lambda number: str(number))]
    assert Model(text_int).decode(Model(text_int).encode(1)) == 1
    assert Model(set[int]).decode(Model(set[int]).encode({3, 1, 2})) == {1, 2, 3}


def test_without_pydantic_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(ImportError, match=r"zkdict\[pydantic\]"):
        Model(int)


def test_its_repr_names_the_type() -> None:
    assert repr(Model(Server)) == "Model(Server)"
    assert "Optional" in repr(Model(Optional[int])) or "None" in repr(Model(Optional[int]))  # type: ignore[arg-type]  # noqa: UP045
