"""The configuration of the demo's daemon."""

import json
from pathlib import Path

from monitor.demo.loop_story import MODEL
from monitor.demo.pumps import TOPIC
from monitor.simulators.catalogue import ECG_TOPIC, MOTOR_TOPIC

LOCALHOST = "127.0.0.1"


def config_text(host: str, port: int, http_port: int, folder: Path, base_topic: str) -> str:
    """Give the configuration of the demo's daemon, which listens on this machine alone.

    host, port: of the broker. folder: of the demo. JSON's strings are TOML's.
    """
    models = folder / "models"
    return f"""\
[mqtt]
host = {json.dumps(host)}
port = {port}
protocol = "3.1.1"
client_id = "residuald-demo"
base_topic = "{base_topic}"

[[source]]
name = "motors"
topic = "{MOTOR_TOPIC}"
model = "motor"
format = {{ kind = "json", timestamp = "ts", rows = "rows" }}

[[source]]
name = "hearts"
topic = "{ECG_TOPIC}"
model = "ecg"
format = {{ kind = "json", timestamp = "ts", values = "values" }}

[[source]]
name = "pumps"
topic = "{TOPIC}"
model = "{MODEL}"
qos = 1
format = {{ kind = "json", timestamp = "ts", rows = "rows" }}

[[model]]
name = "motor"
path = {json.dumps(str(models / "motor"))}
judge = {{ k = 3, n = 4 }}

[[model]]
name = "ecg"
path = {json.dumps(str(models / "ecg"))}
judge = {{ k = 2, n = 3, release_windows = 8 }}

[[model]]
name = "{MODEL}"
path = {json.dumps(str(models / MODEL))}

[journal]
path = {json.dumps(str(folder / "journal"))}

[history]
max_write_bytes_per_second = 10_000_000.0    # weeks come within seconds here
max_processor_share = 0.5

[http]
host = "{LOCALHOST}"
port = {http_port}

[log]
format = "console"
"""
