"""A server for those that need one, and machines that send to it."""

from collections.abc import Iterator

import pytest
from postgres_server import Cluster, running


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running() as server:
        yield server


@pytest.fixture
def url(cluster) -> str:
    """An empty database's address, for its administrator."""
    return cluster.database("usage")


@pytest.fixture
def named(url, config_dir) -> str:
    """The same, and our settings name it."""
    config_dir.mkdir(exist_ok=True)
    (config_dir / "config.toml").write_text(f'[storage]\nurl = "{url}"\n')
    return url
