"""What commands print with --json, against the schemas in the folder `schemas`."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema

SCHEMAS = Path(__file__).with_name("schemas")
FORMATS = jsonschema.FormatChecker(["date"])


@FORMATS.checks("date-time", raises=ValueError)
def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def valid(text: str | bytes, name: str) -> Any:
    """The document that is all of `text`; raises ValidationError when it is not of the schema."""
    document, schema = json.loads(text), json.loads((SCHEMAS / f"{name}.json").read_bytes())
    jsonschema.validate(document, schema, format_checker=FORMATS)
    return document
