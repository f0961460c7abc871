"""The schemas of what commands print with --json: strict, and none that nothing is held against."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documents import SCHEMAS

TESTS = Path(__file__).parent


def objects(schema: Any) -> Iterator[dict]:
    """All parts that are schemas of an object."""
    if isinstance(schema, dict):
        if "object" in (schema.get("type"), *(schema["type"] if isinstance(schema.get("type"), list) else ())):
            yield schema
        schema = [*schema.values()]
    for part in schema if isinstance(schema, list) else ():
        yield from objects(part)


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.stem)
def test_a_schema_lets_no_field_pass_that_it_does_not_name(path):
    found = [*objects(json.loads(path.read_bytes()))]
    assert found
    assert [part for part in found if part.get("additionalProperties", True) is True] == []


def test_every_schema_is_asked_for_by_a_test():
    text = "".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    assert [path.stem for path in SCHEMAS.glob("*.json") if f'"{path.stem}"' not in text] == []
