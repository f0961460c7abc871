"""Where usage.db may lie."""


import pytest

from vibeusage import config, paths
from vibeusage.errors import StorageError
from vibeusage.records import disk, place, store
from vibeusage.records.readers.spec import Call


def test_the_store_is_where_the_settings_say_for_who_writes_and_who_reads(tmp_path, home):
    assert place.usage_db() == paths.data_dir() / "usage.db"
    config.set_value("storage.folder", "~/records")
    with store.open() as opened:
        opened.put("claude", [Call(uuid="a", ts=1_750_000_000_000)], machine="here")
    assert (home / "records" / "usage.db").stat().st_mode & 0o777 == 0o600
    with store.open(readonly=True) as opened:
        assert opened.span() == (1_750_000_000_000, 1_750_000_000_000)
    assert not paths.data_dir().exists()


@pytest.mark.parametrize(
    ("folder", "mark", "service"),
    [
        pytest.param("Dropbox/usage", "", "Dropbox", id="by name"),
        pytest.param("Dropbox (Work)/a/b", "", "Dropbox", id="of a team"),
        pytest.param("Google Drive/My Drive", "", "Google Drive", id="google"),
        pytest.param("OneDrive - Acme/x", "", "OneDrive", id="onedrive"),
        pytest.param("Library/Mobile Documents/com~apple~CloudDocs", "", "iCloud", id="icloud"),
        pytest.param("Library/CloudStorage/Box-Box", "", "a cloud service", id="macOS"),
        pytest.param("Sync/usage", "Sync/.stfolder", "Syncthing", id="syncthing, marked"),
        pytest.param("mine/usage", "mine/.dropbox.cache", "Dropbox", id="a folder that was renamed"),
        pytest.param("mine/usage", "mine/.849C9593-D756-4E56-8D6E-42412F2A707B", "OneDrive", id="onedrive, marked"),
        pytest.param("mine/usage", "other/.stfolder", "", id="a mark beside"),
        pytest.param("dropboxes/usage", "", "", id="another name"),
    ],
)
def test_a_folder_that_a_cloud_copies_is_known_before_it_is_there(tmp_path, folder, mark, service):
    if mark:
        (tmp_path / mark).mkdir(parents=True)
    assert disk.synced_by(tmp_path / folder) == service


def test_a_link_into_such_a_folder_is_one(tmp_path):
    (tmp_path / "Dropbox").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "Dropbox")
    assert disk.synced_by(tmp_path / "link" / "usage") == "Dropbox"


@pytest.mark.parametrize("how", ["storage.folder", "VIBEUSAGE_DATA_DIR"])
def test_no_store_is_opened_or_made_there_and_the_way_out_is_told(tmp_path, monkeypatch, how):
    folder = tmp_path / "Dropbox" / "usage"
    if how == "storage.folder":
        config.set_value(how, str(folder))
    else:
        monkeypatch.setenv(how, str(folder))
    for readonly in (True, False):
        with pytest.raises(StorageError) as caught:
            store.open(readonly=readonly)
        assert str(caught.value) == f"{folder} is copied by Dropbox, and no live database may lie there"
        assert "machines.folder" in caught.value.hint and "config set storage.folder" in caught.value.hint
    assert not folder.exists()
    assert place.named() == folder / "usage.db"
