#!/usr/bin/env python3
"""Write the reference of all configuration keys: `python docs/make_configuration.py`, from the settings' own text."""

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from monitor.config.model import (
    Config,
    HttpConfig,
    JournalConfig,
    LimitsConfig,
    LogConfig,
    ModelConfig,
    MqttConfig,
    ScoringConfig,
    TimingConfig,
    TlsConfig,
)
from monitor.config.security import ArtifactsConfig, WebConfig, WebTlsConfig
from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.core.decode.binary_format.settings import BinaryFormat
from monitor.core.decode.csv_format.settings import CsvFormat
from monitor.core.decode.json_format.settings import JsonFormat
from monitor.core.decode.number_format.settings import NumberFormat
from monitor.core.sources.source import SourceSpec
from monitor.core.values.names import NAME_PATTERN
from monitor.settings.problems import models_in

HERE = Path(__file__).parent
INTRODUCTION = """\
<!-- Written by docs/make_configuration.py from the settings in monitor/. Change those, not this. -->

# Configuration

One TOML file. The smallest that works says where telemetry comes from and which model judges it:

```toml
[[source]]
name = "motors"
topic = "plant/{site}/{device}/motor"
model = "motor"
format = { kind = "json", timestamp = "ts", rows = "rows" }

[[model]]
name = "motor"
path = "models/motor"
```

[`configs/monitor.toml`](../configs/monitor.toml) and [`configs/examples/`](../configs/examples) show more.

* `residuald check --config FILE` tells everything that is wrong with the file, the files it names and the artifacts of
  its models, and exits with 78; with 0 if all is well. `residuald run` makes the same checks.
* An unknown key is an error, so a misspelt one cannot go unnoticed.
* A *name* is up to 128 letters, digits and `_ . : -`, and starts with neither `.` nor `-`: it is safe in topics, labels
  and file names.
* A relative path is taken from the folder of the file.
* Passwords and private keys stand in files of their own; the configuration holds only their paths.
* `systemctl reload residuald` (SIGHUP) reads the file and the artifacts anew. Where anything is wrong the old
  configuration stays, the log says why, and `residuald_config_last_reload_successful` is 0.
"""
SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[mqtt]", MqttConfig),
    ("[mqtt.tls]", TlsConfig),
    ("[[source]]", SourceSpec),
    ("[source.format] of kind `json`", JsonFormat),
    ("[source.format] of kind `number`", NumberFormat),
    ("[source.format] of kind `csv`", CsvFormat),
    ("[source.format] of kind `binary`", BinaryFormat),
    ("[[model]]", ModelConfig),
    ("[model.judge]", DecisionSettings),
    ("[artifacts]", ArtifactsConfig),
    ("[scoring]", ScoringConfig),
    ("[timing]", TimingConfig),
    ("[limits]", LimitsConfig),
    ("[journal]", JournalConfig),
    ("[http]", HttpConfig),
    ("[web]", WebConfig),
    ("[web.tls_server_config]", WebTlsConfig),
    ("[log]", LogConfig),
)
TYPES = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "string": "text",
    "object": "section",
}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def main() -> None:
    """Write the page."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "configuration.md"
    target.write_text("\n".join([INTRODUCTION, *_sections()]) + "\n", encoding="utf-8")


def _sections() -> Iterator[str]:
    described = {model for _, model in SECTIONS}
    absent = {model for model in _models_in(Config) if model not in described}
    if absent:
        raise SystemExit(f"no section describes {absent}")
    for title, model in SECTIONS:
        # a heading may not look like a link
        yield f"## {title.replace('[', chr(92) + '[').replace(']', chr(92) + ']')}\n"
        yield inspect.cleandoc(model.__doc__ or "") + "\n"
        schema = model.model_json_schema()
        yield "| key | value | default | meaning |"
        yield "| --- | --- | --- | --- |"
        for key, property_ in schema["properties"].items():
            default = "required" if key in schema.get("required", ()) else _toml(property_.get("default"))
            cells = (f"`{key}`", _value(property_, schema.get("$defs", {})), default, property_.get("description", ""))
            yield "| " + " | ".join(cell.replace("\n", " ").replace("|", "\\|") for cell in cells) + " |"
        yield ""


def _value(property_: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a key takes, from its JSON schema."""
    if "anyOf" in property_:
        (property_,) = (choice for choice in property_["anyOf"] if choice.get("type") != "null")
    if "$ref" in property_:
        property_ = definitions[property_["$ref"].rpartition("/")[2]]
    choices = property_.get("enum", [property_["const"]] if "const" in property_ else [])
    if choices:
        return " ".join(map(_toml, choices))
    if property_.get("format") in {"path", "file-path"}:
        return "path"
    if property_.get("pattern") == NAME_PATTERN:
        return "name"
    if property_.get("type") == "array":
        return f"array of {_value(property_['items'], definitions)}s"
    kind = TYPES[property_.get("type", "object")]
    bounds = {sign: f"{property_[bound]:,}".replace(",", " ") for bound, sign in BOUNDS.items() if bound in property_}
    if bounds.keys() == {"≥", "≤"}:
        return f"{kind}, {bounds['≥']} to {bounds['≤']}"
    return ", ".join([kind, *(f"{sign} {limit}" for sign, limit in bounds.items())])


def _toml(value: object) -> str:
    """Write a value as TOML does."""
    return "none" if value is None or isinstance(value, dict) else f"`{json.dumps(value)}`"


def _models_in(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for field in model.model_fields.values():
        for part in models_in(field.annotation):
            yield part
            yield from _models_in(part)


if __name__ == "__main__":
    main()
