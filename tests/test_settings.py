"""Settings from the environment: defaults, values, mistakes and warnings."""

from pathlib import Path

import pytest

from farebox.settings import Settings, SettingsError, from_environment, variable

SECRET = "0123456789abcdef0123456789abcdef"


def read(**environment: str) -> Settings:
    """The settings of an environment, as a demonstration, without warnings."""
    settings, warnings = from_environment({"HOME": "/home/me", **environment}, demo=True)
    assert warnings == []
    return settings


def mistakes(environment: dict[str, str], *, demo: bool = False, workers: int = 1) -> list[str]:
    """The lines of the error that an environment gives."""
    with pytest.raises(SettingsError) as refused:
        from_environment({"HOME": "/home/me", **environment}, demo=demo, workers=workers)
    return str(refused.value).splitlines()


def test_nothing_is_needed() -> None:
    """Without any variable a process works on its own, for itself."""
    settings = read()
    assert settings == Settings(data_dir=Path("/home/me/.local/share/farebox"))
    assert settings.database_url is None
    assert settings.redis_url is None
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("database_url", "postgresql://u:p@db/farebox", "postgresql://u:p@db/farebox"),
        ("redis_url", "unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("data_dir", "/srv/farebox", Path("/srv/farebox")),
        ("data_dir", "here", Path.cwd() / "here"),
        ("postgres_user", "postgres", "postgres"),
        ("host", "0.0.0.0", "0.0.0.0"),
        ("port", "8080", 8080),
        (
            "hosts",
            "A.example.com=vending, b.example.com = PBX",
            {"a.example.com": "vending", "b.example.com": "pbx"},
        ),
        ("public_url", "https://api.example.com/", "https://api.example.com"),
        ("smtp_url", "smtp://u:p@mail:25", "smtp://u:p@mail:25"),
        ("mail_from", "desk@example.com", "desk@example.com"),
        ("secrets", f"new:{SECRET},old:{SECRET}:x", {"new": SECRET, "old": f"{SECRET}:x"}),
        ("book_memory", "1048576", 1_048_576),
        ("book_memory", "2 GiB", 2 << 30),
        ("replay_window_days", "30", 30),
        ("statement_timeout_ms", "5000", 5000),
        ("trusted_proxies", "10.0.0.1, fd00::/8", ("10.0.0.1/32", "fd00::/8")),
        ("list_hard_cap", "500", 500),
        ("password_max_age_days", "90", 90),
        ("archive_after_days", "30", 30),
        ("default_time_zone", "Asia/Kolkata", "Asia/Kolkata"),
        ("reporting_currency", "USD", "USD"),
        ("offline_after_s", "3600", 3600),
        ("device_commands", "reboot, make_coffee", ("reboot", "make_coffee")),
        ("webhook_networks", "10.1.0.0/16", ("10.1.0.0/16",)),
        ("access_log", "Yes", True),
        ("access_log", "0", False),
    ],
)
def test_values(name: str, value: str, expected: object) -> None:
    """Every setting takes its documented form."""
    assert expected == getattr(read(**{variable(name): value}), name)


def test_the_test_clock() -> None:
    """FAREBOX_TEST_NOW is an instant, and only for a demonstration."""
    assert read(FAREBOX_TEST_NOW="2026-03-10T10:00:00+01:00").test_now_ms == 1_773_133_200_000
    [line] = mistakes({"FAREBOX_TEST_NOW": "2026-03-10T09:00:00Z"})
    assert line.startswith("FAREBOX_TEST_NOW: expected to be unset without --demo")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "mysql://u:p@db/farebox"),
        ("redis_url", "localhost:6379"),
        ("port", "65536"),
        ("port", "-1"),
        ("port", "http"),
        ("hosts", "a.example.com=wash"),
        ("hosts", "a.example.com"),
        ("public_url", "api.example.com"),
        ("smtp_url", "http://mail"),
        ("secrets", "k1:short"),
        ("secrets", f"k1:{SECRET},k1:{SECRET}"),
        ("test_now", "2026-03-10T09:00:00"),
        ("test_now", "yesterday"),
        ("book_memory", "512MB"),
        ("book_memory", "1000"),
        ("replay_window_days", "0"),
        ("trusted_proxies", "proxy.example.com"),
        ("default_time_zone", "Mars/Olympus"),
        ("reporting_currency", "euro"),
        ("access_log", "maybe"),
    ],
)
def test_mistakes_name_the_variable(name: str, value: str) -> None:
    """A bad value is refused with its variable, what was expected and what was found."""
    [line] = mistakes({variable(name): value}, demo=True)
    assert line.startswith(f"{variable(name)}: expected ")
    confidential = name in ("database_url", "redis_url", "smtp_url", "secrets")
    assert line.endswith(", found something else" if confidential else f", found {value!r}")
    assert SECRET not in line


def test_all_mistakes_come_together() -> None:
    """Two bad values give two lines."""
    lines = mistakes({"FAREBOX_PORT": "x", "FAREBOX_ACCESS_LOG": "x"})
    assert [line.partition(":")[0] for line in lines] == ["FAREBOX_PORT", "FAREBOX_ACCESS_LOG"]


def test_port_is_heard_too() -> None:
    """PORT is used below FAREBOX_PORT, and named when it is wrong."""
    assert read(PORT="9000").port == 9000
    assert read(PORT="9000", FAREBOX_PORT="9001").port == 9001
    assert mistakes({"PORT": "x"})[0].startswith("PORT: expected a whole number")


def test_several_workers_need_redis() -> None:
    """More than one worker without Redis is refused with the reason and the cure."""
    [line] = mistakes({}, workers=4)
    assert line.startswith("FAREBOX_REDIS_URL: expected the address of a Redis for 4 workers")
    environment = {"FAREBOX_REDIS_URL": "redis://127.0.0.1"}
    assert from_environment(environment, workers=4)[0].redis_url == "redis://127.0.0.1"


def test_empty_values_are_unset() -> None:
    """An empty or blank variable means its default."""
    assert read() == read(FAREBOX_DATABASE_URL="", FAREBOX_PORT=" ", PORT="")


def test_unknown_names_are_reported() -> None:
    """A name that nobody reads is warned about, with the nearest one; others' names are not."""
    environment = {"FAREBOX_DATABSE_URL": "x", "FAREBOX_ZZZ": "1", "FAREBOX_DEBUG": "1", "PATH": ""}
    near, far = from_environment(environment)[1]
    assert near.startswith("FAREBOX_DATABSE_URL is no setting of this version and has no effect")
    assert near.endswith("; did you mean FAREBOX_DATABASE_URL?")
    assert far == "FAREBOX_ZZZ is no setting of this version and has no effect"


def test_secrets_are_not_shown() -> None:
    """The printed settings hold no password and no secret."""
    shown = repr(
        read(
            FAREBOX_DATABASE_URL="postgresql://u:hush@db/x",
            FAREBOX_REDIS_URL="redis://:hush@r",
            FAREBOX_SMTP_URL="smtp://u:hush@mail",
            FAREBOX_SECRETS=f"k1:{SECRET}",
        )
    )
    assert "hush" not in shown
    assert SECRET not in shown
    assert "port=8000" in shown
