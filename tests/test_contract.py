"""What every provider must hold to."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from vibeusage import providers, samples
from vibeusage.providers.spec import Command, Func, Http, Stored

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "vibeusage" / "providers"


def modules_of(provider_id):
    return sorted(SRC.glob(f"{provider_id}.py")) + sorted(SRC.glob(f"{provider_id}_*.py"))


@pytest.fixture(params=providers.ids())
def provider(request):
    return providers.load(request.param)


def test_the_id_is_the_name_of_its_file(provider):
    path = providers.shipped()[provider.id]
    assert path.stem == provider.id
    if path.suffix == ".py":
        assert importlib.import_module(f"vibeusage.providers.{provider.id}").PROVIDER is provider


def test_it_says_source_known_from_and_units(provider):
    path = providers.shipped()[provider.id]
    said = path.read_text().partition("\nname =")[0] if path.suffix == ".toml" else ast.get_docstring(_tree(path)) or ""
    assert [word for word in ("Source:", "Known from:", "Units:") if word not in said] == []


def test_strategies_have_names_of_their_own(provider):
    names = [strategy.name for strategy in provider.strategies]
    assert len({*names}) == len(names)


def test_what_a_person_may_paste_is_found_again(provider):
    stored = {
        (strategy.name, place.kind, place.key)
        for strategy in provider.strategies
        if not isinstance(strategy, Command)
        for place in strategy.login
        if isinstance(place, Stored)
    }
    assert {(secret.strategy, secret.kind, secret.key) for secret in provider.secrets} <= stored
    if provider.device:
        assert provider.device.kind in {kind for _, kind, _ in stored}


def test_every_address_is_https_at_a_host_of_the_provider(provider):
    hosts = {*provider.hosts, *([] if provider.status is None else [provider.status.url.split("/")[2]])}
    known = r"https://([a-z0-9.-]+[a-z])(?:[/:\s]|$)"
    text = "\n".join(_requests(path) for path in modules_of(provider.id))
    dashboards = {*provider.dashboard_url.split("/")[2:3]}  # what runs at home has none
    # of claims in a token, asked by nobody
    names = {"codex": {"api.openai.com"}, "vertex": {"www.googleapis.com"}}.get(provider.id, set())
    assert {*re.findall(known, text)} <= hosts | dashboards | names
    assert "http://" not in text


def _tree(path):
    return ast.parse(path.read_text())


def _requests(path):
    """The string constants of a module that stand in code, not in its docstrings or hints for people."""
    constants = [node.value for node in ast.walk(_tree(path)) if isinstance(node, ast.Constant)]
    return "\n".join(text for text in constants if isinstance(text, str) and re.match(r"https?://\S+$", text))


def test_there_are_a_fixture_a_test_and_a_row_in_the_readme(provider):
    assert list((ROOT / "tests" / "fixtures" / provider.id).iterdir())
    tests = [ROOT / "tests" / "providers" / name for name in (f"test_{provider.id}.py", f"cases/{provider.id}.py")]
    assert any(path.exists() for path in tests)
    assert re.search(rf"^\| {provider.id} \|", (ROOT / "README.md").read_text(), re.M)


def test_the_demo_has_a_sample_of_it(provider):
    is_asked = provider.id != "vertex"  # gcloud's credentials go to Google alone, so that nothing can stand in
    assert (provider.id in samples.ids()) is is_asked


def test_no_provider_imports_another(provider):
    others = {other for other in providers.ids() if other != provider.id}
    for path in modules_of(provider.id):
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            assert name.removeprefix("vibeusage.providers.").partition("_")[0] not in others


def test_what_asks_somebody_has_a_login_or_is_the_vendors_program(provider):
    for strategy in provider.strategies:
        match strategy:
            case Http():
                assert strategy.login
            case Func(is_local=False, login=()):
                assert strategy.name in ("app-server",)  # a program of the vendor that answers in steps
            case _:
                assert strategy.name
