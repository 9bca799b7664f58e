"""Settings of webhooks: what is accepted, and that no message shows what may be a secret."""

from pathlib import Path

import pytest

from monitor.adapters.webhook.settings import WebhookConfig, read_headers
from monitor.errors import ConfigError
from monitor.setup.config_file import load_config
from tests.certificates import Authority
from tests.configurations import MOTORS


def loaded(folder: Path, text: str) -> tuple[WebhookConfig, ...]:
    path = folder / "monitor.toml"
    path.write_text(MOTORS + text)
    return load_config(path).webhook


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        loaded(folder, text)
    return raised.value.problems


def test_a_url_is_enough(tmp_path: Path) -> None:
    (webhook,) = loaded(tmp_path, '[[webhook]]\nurl = "https://example.org:8443/hooks/s3cret?key=s3cret"')
    assert webhook.origin == "https://example.org:8443"
    assert (webhook.name, webhook.headers_file, webhook.timeout_seconds) == ("webhook", None, 10.0)
    assert webhook.context() is not None


def test_several_webhooks_need_names_of_their_own(tmp_path: Path) -> None:
    url = 'url = "http://h/"\n'
    assert len(loaded(tmp_path, f'[[webhook]]\n{url}[[webhook]]\n{url}name = "other"')) == 2
    assert problems(tmp_path, f"[[webhook]]\n{url}[[webhook]]\n{url}") == [
        "webhook[1].name: webhook[0] is named 'webhook' too"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://s3cret/",
        "s3cret",
        "http://",
        "http:///s3cret",
        "http://user:s3cret@host/",
        "http://s3cret@host/",
        "http://host/s3cret#fragment",
        "http://host/s3cret path",
        "http://host/s3cret\\n",
        "http://host/s3crét",
        "http://host:99999/s3cret",
        "http://host:0/s3cret",
        "http://[::1/s3cret",
    ],
)
def test_a_bad_url_is_refused_and_not_shown(tmp_path: Path, url: str) -> None:
    (problem,) = problems(tmp_path, f'[[webhook]]\nurl = "{url}"')
    assert problem.startswith("webhook[0].url: ")
    assert "s3cr" not in problem


def test_headers_are_lines_and_comments_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "headers"
    path.write_text("# for the gateway\nAuthorization: Bearer a:b=\n\nX-Site:north  \n")
    assert read_headers(path) == {"Authorization": "Bearer a:b=", "X-Site": "north"}
    (webhook,) = loaded(tmp_path, '[[webhook]]\nurl = "http://h/"\nheaders_file = "headers"')
    assert webhook.headers_file == path


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("s3cret", "a line must be `Name: value`"),
        ("s3 cret: x", "a line must be `Name: value`"),
        (" Name: s3cret", "a line must be `Name: value`"),
        (": s3cret", "a line must be `Name: value`"),
        ("Name: s3cr\x00et", "the value must be printable ASCII"),
        ("Name: s3crét", "the value must be printable ASCII"),
        ("HOST: s3cret", "HOST is not to be set here"),
        ("Idempotency-Key: s3cret", "Idempotency-Key is not to be set here"),
        ("X-one: s3cret", "X-one is set twice"),
    ],
)
def test_a_bad_header_is_refused_and_its_value_not_shown(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "headers"
    path.write_text(f"X-One: 1\n{line}\n")
    text = '[[webhook]]\nurl = "http://h/"\nheaders_file = "headers"'
    assert problems(tmp_path, text) == [f"webhook[0].headers_file: {path}, line 2: {why}"]


def test_a_file_of_headers_has_to_be_there_and_to_be_text(tmp_path: Path) -> None:
    text = '[[webhook]]\nurl = "http://h/"\nheaders_file = "headers"'
    path = tmp_path / "headers"
    assert problems(tmp_path, text) == [f"webhook[0].headers_file: cannot read {path}: No such file or directory"]
    path.write_bytes(b"X: \xff")
    assert problems(tmp_path, text) == [f"webhook[0].headers_file: {path}: not UTF-8 text"]


def test_authorities_must_be_certificates_and_need_https(tmp_path: Path) -> None:
    ca_file = Authority(tmp_path, "ca").own.certificate
    text = f'[[webhook]]\nurl = "https://h/"\nca_file = "{ca_file}"'
    (webhook,) = loaded(tmp_path, text)
    context = webhook.context()
    assert context is not None
    assert len(context.get_ca_certs()) == 1
    assert problems(tmp_path, text.replace("https", "http")) == [
        "webhook[0]: `ca_file` needs a `url` that begins with https"
    ]
    ca_file.write_text("no certificate")
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(f"webhook[0]: {ca_file} is no usable PEM file")
