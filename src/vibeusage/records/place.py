"""Where usage.db lies: in the folder that `storage.folder` names, else in the data folder."""

from pathlib import Path

from vibeusage import config, paths
from vibeusage.config import Config
from vibeusage.errors import StorageError
from vibeusage.records import disk

NAME = "usage.db"
LOCK = "records.lock"  # beside it: one writer at a time


def usage_db(settings: Config | None = None) -> Path:
    """Raises StorageError for a folder that a cloud service copies while it is written, which tears a database."""
    path = named(settings)
    if service := disk.synced_by(path.parent):
        raise StorageError(
            f"{path.parent} is copied by {service}, and no live database may lie there",
            hint="`vibeusage config set storage.folder PATH` names a folder of this machine alone;"
            " to have the records of several machines, set machines.folder to a folder that is synced",
        )
    return path


def named(settings: Config | None = None) -> Path:
    """The same, whatever kind of folder that is."""
    folder = (settings or config.load()).storage.folder
    return (Path(folder).expanduser() if folder else paths.data_dir()) / NAME
