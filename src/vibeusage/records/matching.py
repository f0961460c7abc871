"""Names of models as logs write them to names of the price table. Every step is a full equality.

A name that contains a known one is not it: a new `…-mini` must never get the price of its big sibling.
"""

import re
from collections.abc import Container, Iterator

SILENT = frozenset({"", "<synthetic>", "auto", "default", "unknown"})
_EFFORT = re.compile(r"-(low|medium|high|xhigh|minimal|thinking)\Z")
_ROUTE = re.compile(
    r"(openrouter|bedrock|vertex_ai|azure|copilot|anthropic|openai|google|models|cline-pass)/|custom:"
    # the makers, as routers write them before a model of theirs
    r"|(gemini|x-ai|xai|z-ai|zai|deepseek|moonshotai|qwen|mistralai|minimax|meta-llama|cohere)/"
    r"|(us|eu|apac|jp|au|global)\.(?=[a-z]+\.)|anthropic\."
)
_DATE = re.compile(r"-(\d{8}|\d{4}-\d\d-\d\d)\Z")


def plain(name: str) -> str:
    return name.strip().lower()


def is_silent(name: str) -> bool:
    """Whether nobody needs to hear that it has no price: it names no model."""
    return plain(name) in SILENT


def find(name: str, known: Container[str]) -> tuple[str, str] | None:
    """(the known name, the speed that `name` tells: "fast" or ""), None when it is none of them."""
    for stem, speed in _stems(plain(name)):
        for form in _forms(stem):
            if form in known:
                return form, speed
    return None


def _stems(name: str) -> Iterator[tuple[str, str]]:
    """`name` as it is, then without what tells how the model was asked."""
    name = name.removesuffix("[1m]")
    calm = _EFFORT.sub("", name)
    yield name, ""
    if calm != name:
        yield calm, ""
    for slow in dict.fromkeys((name, calm)):
        if slow.endswith("-fast"):
            slow = slow.removesuffix("-fast")
            yield slow, "fast"
            yield _EFFORT.sub("", slow), "fast"


def _forms(stem: str) -> Iterator[str]:
    """`stem` and its other writings, the most exact first; one way in is taken off at a time."""
    while True:
        yield from _writings(stem)
        route = _ROUTE.match(stem)
        if not route:
            return
        stem = stem[route.end() :]


def _writings(name: str) -> Iterator[str]:
    yield name
    name = re.sub(r"-v\d+:\d+\Z", "", name)
    yield name
    if "claude" in name:
        name = re.sub(r"-v\d+(?=@|\Z)", "", name)
        yield name
    name = re.sub(r"@(\d{8})\Z", r"-\1", name).removesuffix("@default")
    yield name
    if "claude" in name:
        name = re.sub(r"(?<=\d)\.(?=\d)", "-", name)
        yield name
    name = name.removesuffix("-latest")
    yield name
    yield _DATE.sub("", name)
