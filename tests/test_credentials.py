import json

import pytest

from vibeusage import credentials

DOCUMENT = {"tokens": {"access_token": "invented"}}


def test_a_login_without_a_token_is_not_told_from_another():
    """A refusal is held against a token until that changes: what a program keeps to itself changes unseen."""
    with_token, without = (credentials.Login(token, "here", is_ours=False) for token in ("invented", ""))
    assert (len(with_token.fingerprint), without.fingerprint) == (16, "")


@pytest.mark.parametrize("written", ["", '{"tokens":', "{}}"])
def test_a_file_that_is_being_written_is_looked_at_once_more(written, tmp_path, monkeypatch):
    path = tmp_path / "auth.json"
    path.write_text(written)
    monkeypatch.setattr(credentials.time, "sleep", lambda seconds: path.write_text(json.dumps(DOCUMENT)))
    assert credentials.read_document(path) == DOCUMENT


@pytest.mark.parametrize("written", ["", '{"tokens":', "\xff"])
def test_a_file_that_stays_damaged_says_nothing(written, tmp_path):
    path = tmp_path / "auth.json"
    path.write_text(written, encoding="latin-1")
    assert credentials.read_document(path) is None
    assert credentials.read_document(tmp_path / "nowhere.json") is None
