"""The command line: help that teaches, and errors as one message and an exit code of their own."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from monitor import __version__, cli, errors
from monitor.commands import check
from monitor.errors import ArtifactError, ConfigError, DataError, OutputError, ResidualdError, UnavailableError


def kinds_of_error(base: type[ResidualdError]) -> list[type[ResidualdError]]:
    return [base, *(kind for child in base.__subclasses__() for kind in kinds_of_error(child))]


def test_help_names_every_command_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert exited.value.code == 0
    commands = {path.stem for path in Path(check.__file__).parent.glob("*.py")} & set(text.split())
    assert {"run", "check", "replay", "record", "simulate", "demo"} <= commands
    for kind in kinds_of_error(errors.ResidualdError)[1:]:
        assert f"\n  {kind.exit_code} " in text


def test_no_two_errors_share_an_exit_code() -> None:
    codes = [kind.exit_code for kind in kinds_of_error(errors.ResidualdError)]
    assert len(codes) == len(set(codes))


def test_every_command_explains_itself_with_an_example_and_its_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "check", "replay", "record", "simulate", "demo"):
        with pytest.raises(SystemExit) as exited:
            cli.main([command, "--help"])
        text = capsys.readouterr().out
        assert exited.value.code == 0
        assert f"residuald {command} " in text.split("example", 1)[1]
        assert "\n  0 " in text.split("exit codes:", 1)[1]


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"residuald {__version__}\n"


@pytest.mark.parametrize(
    "error",
    [
        DataError("a.csv: no header"),
        ArtifactError("models/motor: missing"),
        UnavailableError("no broker"),
        OutputError("cannot write a.capture"),
        ConfigError("monitor.toml", ["mqtt.port: too large"]),
    ],
)
def test_an_error_is_told_on_standard_error_and_by_the_exit_code(
    error: ResidualdError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(check, "run", fail)
    assert cli.main(["check", "--config", "monitor.toml"]) == error.exit_code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"residuald: {error}\n"


def test_an_interrupt_exits_as_shells_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(args: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "run", interrupt)
    assert cli.main(["check", "--config", "monitor.toml"]) == 130


def test_no_command_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        cli.main([])
    assert exited.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_help_does_not_load_torch() -> None:
    program = "import sys; from monitor import cli; cli._parser(); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
