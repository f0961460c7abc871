"""The folders as the line works them out by hand, and as the rest of the program does."""

import os
import sys
from pathlib import Path

import platformdirs
import pytest

from vibeusage import cachefiles, config, errors, paths, view

CASES = [
    pytest.param({}, id="nothing set"),
    pytest.param({"XDG_CACHE_HOME": "/xdg/cache", "XDG_CONFIG_HOME": "/xdg/config"}, id="XDG"),
    pytest.param({"XDG_CACHE_HOME": "/xdg/cache/", "XDG_CONFIG_HOME": "/xdg//config/"}, id="XDG with slashes"),
    pytest.param({"XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": ""}, id="XDG empty"),
    pytest.param({"XDG_CACHE_HOME": "relative", "XDG_CONFIG_HOME": "also/relative"}, id="XDG relative is ignored"),
    pytest.param({"VIBEUSAGE_CACHE_DIR": "/ours/c", "VIBEUSAGE_CONFIG_DIR": "/ours/k"}, id="ours"),
    pytest.param({"VIBEUSAGE_CACHE_DIR": "~/c", "VIBEUSAGE_CONFIG_DIR": "~/k"}, id="ours under ~"),
]


@pytest.fixture(params=["linux", "darwin"])
def platform(request, monkeypatch):
    monkeypatch.setattr(sys, "platform", request.param)
    if request.param == "darwin":
        from platformdirs import macos

        monkeypatch.setattr(platformdirs, "user_cache_path", lambda app, **_: Path(macos.MacOS(app).user_cache_dir))
        monkeypatch.setattr(platformdirs, "user_config_path", lambda app, **_: Path(macos.MacOS(app).user_config_dir))
    return request.param


@pytest.mark.parametrize("environ", CASES)
def test_the_line_finds_the_folders_that_the_rest_uses(environ, platform, monkeypatch, home):
    for name in ("VIBEUSAGE_CACHE_DIR", "VIBEUSAGE_CONFIG_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert Path(cachefiles.cache_folder(os.environ)) == paths.cache_dir()
    assert Path(cachefiles.config_file(os.environ)) == paths.config_file()


def test_a_relative_folder_is_refused_and_the_line_uses_none(monkeypatch):
    monkeypatch.setenv("VIBEUSAGE_CACHE_DIR", "here")
    with pytest.raises(errors.ConfigError, match="VIBEUSAGE_CACHE_DIR is 'here', a relative path"):
        paths.cache_dir()
    assert cachefiles.cache_folder(os.environ) == ""


@pytest.mark.parametrize("content", [None, "", "[line]\nbar = 5\n"])
def test_the_line_and_the_compiler_stamp_the_same_config(content):
    if content is not None:
        paths.config_dir().mkdir()
        paths.config_file().write_text(content)
    assert view._config_stamp() == config.stamp()


def test_the_scripts_are_found():
    assert {path.name for path in paths.shell_dir().iterdir()} >= {"vibeusage.zsh", "vibeusage.bash", "vibeusage.fish"}
