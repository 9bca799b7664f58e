"""The configuration of the daemon of the chaos run: what can be changed while it runs, and its text."""

from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.chaos.devices import CHANNELS, Lane

_TEXT = """\
[mqtt]
host = "127.0.0.1"
port = {port}
keepalive_seconds = 5
reconnect_ceiling_seconds = 1
commands = true
protocol = "{protocol}"
alert_qos = {alert_qos}
[http]
port = {http_port}
[log]
format = "json"
[timing]
expire_after_seconds = {expire_after_seconds}
[journal]
path = "{disk}/journal"
checkpoint_seconds = 3
max_bytes = 16_777_216
{models}{sources}"""
_MODEL = """\
[[model]]
name = "{name}"
path = "{path}"
artifact = "{artifact}"
max_batch = 64
judge = {{ k = {k} }}
"""
_SOURCE = """\
[[source]]
name = "{name}"
topic = "{topic}"
model = "{model}"
qos = {qos}
{more}format = {{ kind = "json", timestamp = "ts", {values} }}
"""
_ROWS, _VALUES = 'rows = "rows"', 'values = "values"'


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration file says.

    port: of the broker. models: the folder that holds `hum` and `wave`. shop_root, shop_stream, shop_model, shop_k: of
    the one source that is reconfigured: the first level of its topic, how its streams are named, its model and how many
    anomalous windows make an alert of it.
    """

    port: int
    http_port: int
    disk: Path
    models: Path
    protocol: str = "5"
    alert_qos: int = 2
    qos: tuple[int, int] = (1, 2)
    expire_after_seconds: int = 86400
    shop_root: str = "shop"
    shop_stream: str = "{device}"
    shop_model: str = "wave"
    shop_k: int = 2

    @property
    def text(self) -> str:
        """The configuration file, in which artifacts are those that are in use."""
        return self._text(frozen=False)

    @property
    def frozen_text(self) -> str:
        """The same with the artifacts that are in use now, whatever is put in use later."""
        return self._text(frozen=True)

    def stream_of(self, device: str) -> str:
        """How a device of the shop is called."""
        return self.shop_stream.format(device=device)

    def lanes_of(self, device: str) -> tuple[Lane, ...]:
        """Where a device of the shop publishes."""
        return tuple(Lane(f"{self.shop_root}/{device}/{name}", at) for at, name in enumerate(CHANNELS))

    def expiring_after(self, seconds: int) -> "Settings":
        """The same with another time after which a silent stream is forgotten."""
        return replace(self, expire_after_seconds=seconds)

    def with_other(self, what: str) -> "Settings":
        """The same with another of the settings of the shop: `root`, `stream`, `model` or `k`."""
        other = {
            "root": {"shop_root": "shop" if self.shop_root == "works" else "works"},
            "stream": {"shop_stream": "{device}" if self.shop_stream != "{device}" else "bench-{device}"},
            "model": {"shop_model": "wave" if self.shop_model == "tide" else "tide"},
            "k": {"shop_k": 5 - self.shop_k},
        }
        return replace(self, **other[what])  # type: ignore[arg-type]

    def _text(self, *, frozen: bool) -> str:
        artifacts = {"hum": "hum", "wave": "wave", "tide": "wave", "din": "hum"}
        models = "".join(
            _MODEL.format(
                name=name,
                path=(self.models / folder / "current").resolve() if frozen else self.models / folder,
                artifact=folder,
                k=self.shop_k if folder == "wave" else 2,
            )
            for name, folder in artifacts.items()
        )
        low, high = self.qos
        sources = (
            ("machines", "plant/{device}/hum", "hum", low, "", _ROWS),
            ("engines", "hall/{device}/hum", "hum", high, "", _ROWS),
            ("lines", "line/{device}/{channel}", "hum", low, "", _VALUES),
            ("pumps", "pump/{device}/flow", "hum", low, 'channels = ["a"]\n', _VALUES),
            ("pumplogs", "pumplog/{device}", "hum", high, 'channels = ["b"]\n', _VALUES),
            (
                "shop",
                f"{self.shop_root}/{{device}}/{{channel}}",
                self.shop_model,
                low,
                f'stream = "{self.shop_stream}"\n',
                _VALUES,
            ),
            ("racket", "racket/{device}/hum", "hum", low, "", _ROWS),
            ("noise", "noise/{device}/hum", "din", 0, "", _ROWS),
        )
        return _TEXT.format(
            port=self.port,
            http_port=self.http_port,
            disk=self.disk,
            protocol=self.protocol,
            alert_qos=self.alert_qos,
            expire_after_seconds=self.expire_after_seconds,
            models=models,
            sources="".join(
                _SOURCE.format(name=name, topic=topic, model=model, qos=qos, more=more, values=values)
                for name, topic, model, qos, more, values in sources
            ),
        )
