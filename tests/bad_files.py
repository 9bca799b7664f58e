"""Settings files that are wrong, and say so themselves: the problems stand at their head, as `# expect:` lines."""

from pathlib import Path


def expected_problems(path: Path) -> list[str]:
    """The problems that a file must be refused for, all of them and no others; `{folder}` stands for its folder."""
    lines = path.read_bytes().decode("latin-1").splitlines()
    expected = [line.removeprefix("# expect: ") for line in lines if line.startswith("# expect: ")]
    assert expected, "the file does not say what is wrong with it"
    return [line.replace("{folder}", str(path.parent)) for line in expected]
