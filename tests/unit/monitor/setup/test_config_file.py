"""Loading a configuration: what is accepted, and in which words the rest is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.config.references import reference_problems
from monitor.errors import ConfigError
from monitor.settings.problems import describe
from monitor.setup.build import subscriptions_of
from monitor.setup.config_file import load_config, sound_models
from monitor.setup.registry import Config
from tests.configurations import MOTORS

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str) -> Path:
        path = tmp_path / "monitor.toml"
        path.write_text(text)
        return path

    return write_file


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    return raised.value.problems


def test_a_minimal_file_takes_every_default(write: Write) -> None:
    config = load_config(write(MOTORS))
    assert config.mqtt.host == "localhost"
    assert config.http.port == 9108
    assert config.source[0].qos == 0
    assert config.model[0].judge.k == 2


def test_a_relative_path_is_taken_from_the_files_folder(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(MOTORS)
    monkeypatch.chdir("/")
    assert load_config(path).model[0].path == tmp_path / "models/motor"


def test_an_absolute_path_stays(write: Write) -> None:
    assert load_config(write(MOTORS.replace("models/motor", "/srv/m"))).model[0].path == Path("/srv/m")


def test_a_relative_file_name_gives_absolute_paths(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write(MOTORS).parent)
    assert load_config(Path("monitor.toml")).model[0].path == tmp_path / "models/motor"


def test_a_password_is_looked_up_beside_the_file(write: Write, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret")
    path = write(MOTORS + '[mqtt]\nusername = "u"\npassword_file = "password"')
    assert load_config(path).mqtt.password_file == tmp_path / "password"


def test_a_password_that_systemd_passes_goes_first(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for folder in (tmp_path, credentials):
        (folder / "password").write_text("s3cret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    path = write(MOTORS + '[mqtt]\nusername = "u"\npassword_file = "password"')
    assert load_config(path).mqtt.password_file == credentials / "password"


def test_an_absolute_password_path_is_never_taken_from_systemd(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text("s3cret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    path = write(MOTORS + '[mqtt]\nusername = "u"\npassword_file = "/nowhere/password"')
    assert problems_of(path) == ["mqtt.password_file: cannot read /nowhere/password: No such file or directory"]


def test_a_folder_is_no_password(write: Write, tmp_path: Path) -> None:
    path = write(MOTORS + '[mqtt]\nusername = "u"\npassword_file = "."')
    assert problems_of(path) == [f"mqtt.password_file: cannot read {tmp_path}: Is a directory"]


def test_no_secret_is_ever_in_the_text_of_a_config_or_of_its_problems(write: Write, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2")
    good = load_config(write(MOTORS + '[mqtt]\nusername = "u"\npassword_file = "password"'))
    assert "hunter2" not in repr(good) + good.model_dump_json()
    for bad in (
        '[mqtt]\nusername = "u"\npassword_file = "password"\nport = 0.5',
        '[mqtt]\npassword = "hunter2"',
        '[mqtt]\npassword = { text = "hunter2" }',
        '[mqtt]\nhost = { password = "hunter2" }',
        '[mqtt]\npassword = "hunter2',
        'mqtt = ["hunter2"]',
    ):
        with pytest.raises(ConfigError) as raised:
            load_config(write(MOTORS + bad if bad.startswith("[") else bad + MOTORS))
        assert "hunter2" not in f"{raised.value} {raised.value!r} {raised.value.problems}"


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "nowhere.toml") == ["cannot be read: No such file or directory"]


def test_the_error_names_the_file_and_counts_its_problems(write: Write) -> None:
    path = write(MOTORS + "[http]\nport = -1\n[log]\nlevel = 'loud'")
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    assert raised.value.exit_code == 78
    assert str(raised.value).splitlines() == [
        f"{path}: 2 problem(s)",
        "  http.port: must be greater than or equal to 0, not -1",
        "  log.level: 'loud' is not one of 'debug', 'info', 'warning', 'error'",
    ]


def test_a_long_value_is_cut_in_the_message(write: Write) -> None:
    (problem,) = problems_of(write(MOTORS + f'[log]\nlevel = "{"x" * 5000}"'))
    assert len(problem) < 200


def test_sources_of_different_depth_or_literals_do_not_overlap(write: Write) -> None:
    second = MOTORS.partition("[[model]]")[0].replace('"motors"', '"more"')
    for topic in ("plant/{device}/pump", "plant/{device}/motor/raw", "hall/{device}/motor"):
        assert len(load_config(write(second.replace("plant/{device}/motor", topic) + MOTORS)).source) == 2
    for topic in ("{site}/17/motor", "plant/{machine}/{kind}"):
        assert problems_of(write(second.replace("plant/{device}/motor", topic) + MOTORS)) == [
            "source[1].topic: source 'more' admits the same topics"
        ]


def test_a_file_is_no_topic_to_subscribe_to_and_no_topic_may_stand_for_it(write: Write) -> None:
    second = MOTORS.partition("[[model]]")[0].replace('"motors"', '"lines"')
    second = second.replace('topic = "plant/{device}/motor"', 'file = "-"\nstream = "press"')
    assert subscriptions_of(load_config(write(second + MOTORS))) == [("plant/+/motor", 0)]
    assert len(load_config(write(second + second.replace('"lines"', '"more"') + MOTORS)).source) == 3
    for topic in ("file/{name}", "{any}/{name}"):
        assert problems_of(write(second + MOTORS.replace("plant/{device}/motor", topic))) == [
            "source[1].topic: source 'lines' admits the same topics"
        ]


def test_models_that_are_valid_on_their_own_are_found_in_a_file_that_is_not(write: Write, tmp_path: Path) -> None:
    path = write(MOTORS.replace("rows = ", "row = ") + '[[model]]\nname = "b"\n[[model]]\nname = "c"\npath = "c"')
    assert {key: model.path for key, model in sound_models(path).items()} == {
        "model[0]": tmp_path / "models/motor",
        "model[2]": tmp_path / "c",
    }


def test_a_config_made_in_code_is_checked_as_one_from_a_file() -> None:
    source = {"name": "m", "topic": "a/{d}", "model": "x", "format": {"kind": "json", "rows": "rows"}}
    with pytest.raises(ValueError, match="there is no model 'x'"):
        Config.model_validate({"source": [source], "model": [{"name": "y", "path": "/y"}]})


toml_keys = st.sampled_from(["kind", "name", "topic", "model", "format", "tls"]) | st.text(max_size=10)
toml_values = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(toml_keys, inner, max_size=3),
    max_leaves=6,
)
SECTIONS = ("mqtt", "source", "model", "scoring", "timing", "limits", "http", "log", "other")


@given(st.dictionaries(st.sampled_from(SECTIONS) | st.text(max_size=10), toml_values))
def test_whatever_a_table_holds_its_problems_are_told_and_nothing_else_is_raised(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as raised:  # no generated table has both a sound source and its model
        Config.model_validate(table)
    problems = [*describe(raised.value, Config), *reference_problems(table)]
    assert problems
    assert all(len(problem.splitlines()) == 1 for problem in problems)


@pytest.mark.parametrize(
    ("mqtt", "topic"),
    [
        ("commands = true", "{a}/{b}/{c}/{d}"),
        ("commands = true", "residuald/{device}/set/mute"),
        ('commands = true\nbase_topic = "plant/one"', "plant/one/{device}/set/{kind}"),
    ],
)
def test_no_source_may_admit_the_topics_of_commands(write: Write, mqtt: str, topic: str) -> None:
    text = MOTORS.replace("plant/{device}/motor", topic)
    problems = problems_of(write(f"[mqtt]\n{mqtt}\n{text}"))
    assert "source[0].topic: admits the topics of commands (mqtt.commands)" in problems
    assert load_config(write(text)).mqtt.commands is False


@pytest.mark.parametrize("host", ["broker..lan", ".lan", "x" * 64])
@pytest.mark.parametrize(
    ("key", "text"), [("mqtt.host", '[mqtt]\nhost = "HOST"'), ("http.host", '[http]\nhost = "HOST"')]
)
def test_a_host_that_no_system_would_look_up_is_refused(write: Write, key: str, text: str, host: str) -> None:
    (problem,) = problems_of(write(MOTORS + text.replace("HOST", host)))
    assert problem.startswith(f"{key}: is no host")


def test_a_webhook_whose_host_no_system_would_look_up_is_refused_without_its_url(write: Write) -> None:
    (problem,) = problems_of(write(MOTORS + '[[webhook]]\nurl = "http://a..b/secret"\n'))
    assert problem.startswith("webhook[0].url: is no host")
    assert "secret" not in problem


def test_an_address_in_brackets_is_told_once(write: Write) -> None:
    (problem,) = problems_of(write(MOTORS + '[mqtt]\nhost = "[::1]"'))
    assert 'write `host = "::1"`' in problem
