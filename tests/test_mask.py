from datetime import UTC, datetime

import pytest

from vibeusage.mask import Private, masked, masker

KNOWN = Private(
    homes=frozenset({"/home/quentin", "/srv/homes/quentin"}),
    secrets=frozenset({"sk-canary+/=", "quentin-token-0001"}),
    words=frozenset({"quentin", "Umbrella Org", "dev@umbrella.example", "gateway.umbrella.example", "2026", "codex"}),
    providers=("claude", "codex"),
    accounts=frozenset({"work", "my side job"}),
    hosts=frozenset({"api.anthropic.com", "claude.ai"}),
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("/home/quentin/.codex/auth.json", "~/.codex/auth.json", id="home"),
        pytest.param("/srv/homes/quentin", "~", id="home behind a link"),
        pytest.param("/home/quentin.old/x /home/quentina", "/home/q…/x /home/q…", id="homes of others"),
        pytest.param("/Users/dora/x", "/Users/d…/x", id="home of a Mac"),
        pytest.param("uid of Quentin: quentin_2, Quentins", "uid of Q…: q…_2, Quentins", id="user name as a word"),
        pytest.param("a sk-canary+/= b", "a … b", id="secret with signs"),
        pytest.param("quentin-token-0001", "…", id="secret that begins with a name"),
        pytest.param("Umbrella Org and dev@umbrella.example", "U… and d…", id="organisation and mail"),
        pytest.param("ask someone.else+x@mail.example.org.", "ask s…@….", id="mail that nobody told of"),
        pytest.param("x/claude@work/a.json, claude@work.json", "x/claude@w…/a.json, claude@w….json", id="account"),
        pytest.param("claude@my side job: no", "claude@m…: no", id="account with blanks"),
        pytest.param("Claude (work) asked to wait", "Claude (w…) asked to wait", id="account as it is displayed"),
        pytest.param("snapshots/codex@stranger.json", "snapshots/codex@s….json", id="account that is not known"),
        pytest.param("it does work on 2026-01-02", "it does work on 2026-01-02", id="a name is no word, a year no id"),
        pytest.param("codex and root/config stay", "codex and root/config stay", id="our own words"),
        pytest.param("api.anthropic.com, www.claude.ai", "api.anthropic.com, www.claude.ai", id="vendors"),
        pytest.param("gateway.umbrella.example refused", "g… refused", id="host of an override"),
        pytest.param("old.umbrella.example:8443 refused", "o…:8443 refused", id="host of an earlier override"),
        pytest.param("10.1.2.3 and 127.0.0.1", "1… and 127.0.0.1", id="addresses"),
        pytest.param("line.tsv a.json 0.28.1 glibc2.36", "line.tsv a.json 0.28.1 glibc2.36", id="files and versions"),
        pytest.param("providers.claude.strategies", "providers.claude.strategies", id="a setting"),
        pytest.param("name \udce9 of no text", "name ? of no text", id="bytes that are no text"),
    ],
)
def test_of_what_is_private_only_the_first_letter_stays(text, shown):
    assert masker(KNOWN)(text) == shown


def test_every_text_of_a_document_is_masked_and_instants_stay():
    at = datetime(2026, 1, 2, tzinfo=UTC)
    document = {"a": ["quentin", {"b": "quentin", "at": at}], "n": 1, "none": None}
    assert masked(document, masker(KNOWN)) == {"a": ["q…", {"b": "q…", "at": at}], "n": 1, "none": None}
