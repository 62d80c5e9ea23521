"""The settings in the environment, and where folders are without them."""

from pathlib import Path

import pytest
from platformdirs import user_cache_path

from probnn.runtime import settings

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "data": ("PROBNN_DATA", settings.data_folder),
    "checkpoints": ("PROBNN_CHECKPOINTS", settings.checkpoint_folder),
}
NAMES = {
    "PROBNN_DEVICE": settings.device_name,
    "PROBNN_CLUSTER": settings.cluster_address,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_read_when_it_is_needed(name, monkeypatch):
    for value in ("one", "another"):
        monkeypatch.setenv(name, value)
        assert NAMES[name]() == value


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_not_set_or_empty_is_none(name, monkeypatch):
    monkeypatch.setenv(name, "")
    assert NAMES[name]() is None
    monkeypatch.delenv(name)
    assert NAMES[name]() is None


def test_whether_anybody_watches_is_read_when_it_is_needed(monkeypatch):
    monkeypatch.setenv("PROBNN_HEADLESS", "1")
    assert settings.is_headless()
    monkeypatch.delenv("PROBNN_HEADLESS")
    assert not settings.is_headless()


@pytest.mark.parametrize("name", ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES", "LD_PRELOAD"])
def test_settings_of_memory_are_noticed_when_they_are_made(name, monkeypatch):
    for own in [key for key in settings.os.environ if key.startswith(("MALLOC_", "LD_PRELOAD"))]:
        monkeypatch.delenv(own)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert not settings.has_memory_settings()
    monkeypatch.setenv(name, "1")
    assert settings.has_memory_settings()


@pytest.fixture(params=FOLDERS)
def folder(request):
    """Its name, its setting, and the function that finds it."""
    return request.param, *FOLDERS[request.param]


def test_a_folder_is_the_one_that_is_set_now(folder, monkeypatch):
    _, setting, find = folder
    for value in ("/one", "/another"):
        monkeypatch.setenv(setting, value)
        assert find() == Path(value)


def test_without_a_setting_a_folder_is_the_repositorys(folder, monkeypatch):
    name, setting, find = folder
    monkeypatch.delenv(setting, raising=False)
    assert find() == ROOT / name
    monkeypatch.setenv(setting, "")
    assert find() == ROOT / name


def installed_in(place, monkeypatch):
    """As if the package lay there, and not in its repository."""
    monkeypatch.setattr(settings, "__file__", str(place / "probnn/runtime/settings.py"))


def test_without_setting_and_repository_a_folder_is_in_the_users_cache(
    folder, monkeypatch, tmp_path
):
    name, setting, find = folder
    monkeypatch.delenv(setting, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where the system reads it
    installed_in(tmp_path / "lib/site-packages", monkeypatch)
    assert find() == user_cache_path("probnn") / name


def test_another_project_around_the_installed_package_is_not_taken_for_its_repository(
    folder, monkeypatch, tmp_path
):
    name, setting, find = folder
    monkeypatch.delenv(setting, raising=False)
    (tmp_path / "pyproject.toml").touch()
    installed_in(tmp_path / "site-packages", monkeypatch)
    assert find() == user_cache_path("probnn") / name


def test_a_setting_has_precedence_over_the_cache(folder, monkeypatch, tmp_path):
    _, setting, find = folder
    installed_in(tmp_path, monkeypatch)
    monkeypatch.setenv(setting, "/mine")
    assert find() == Path("/mine")
