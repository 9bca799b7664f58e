"""The script that one would write first: paho-mqtt, json, a deque per sensor, a PyTorch model, Prometheus gauges.

It does residuald's job in a hundred lines, as long as little comes: one window at a time goes through the model, and
every figure is set when it is known. What residuald costs or saves is measured against it.
"""

import argparse
import json
from collections import defaultdict, deque
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client import Counter, Gauge, start_http_server

from monitor.core.artifact.manifest import MANIFEST_FILE, parse_manifest
from trainer.registry import FAMILIES
from trainer.settings import FitSettings

MESSAGES = Counter("obvious_messages", "Messages received.")
WINDOWS = Counter("obvious_windows", "Windows scored.", ["stream"])
ERROR = Gauge("obvious_reconstruction_error", "Of the last window.", ["stream"])
SCORE = Gauge("obvious_window_score", "Its error over the threshold.", ["stream"])


class Watcher:
    """Everything about one kind of device."""

    def __init__(self, client: paho.Client, payload: str, model: Path) -> None:
        self.client = client
        self.handle = getattr(self, f"on_{payload}")
        extra = {MANIFEST_FILE: ""}
        archive = torch.jit.load(str(model / "current"), _extra_files=extra)  # type: ignore[no-untyped-call] # torch does not type it
        manifest = parse_manifest(extra[MANIFEST_FILE])
        self.channels = manifest.channel_names
        self.length, self.stride = manifest.window.length, manifest.window.stride
        self.threshold = manifest.threshold
        self.centre = torch.tensor(manifest.normalization.centre)[:, None]
        self.scale = torch.tensor(manifest.normalization.scale)[:, None]
        settings = FitSettings.model_validate({"model": {"family": manifest.family, **manifest.settings}})
        self.model = FAMILIES[manifest.family].build(settings.model, (len(self.channels), self.length))
        self.model.load_state_dict(archive.autoencoder.state_dict())
        self.model.eval()
        self.samples: defaultdict[str, deque[Any]] = defaultdict(deque)
        self.by_channel: defaultdict[str, dict[str, deque[float]]] = defaultdict(
            lambda: {channel: deque() for channel in self.channels}
        )

    def on_json(self, topic: str, payload: bytes) -> None:
        """{"ts": …, "values": […]}: some samples of the only channel."""
        samples = self.samples[topic]
        samples.extend(json.loads(payload)["values"])
        while len(samples) >= self.length:
            self.score(topic, torch.tensor(list(islice(samples, self.length)))[None])
            for _ in range(self.stride):
                samples.popleft()

    def on_binary(self, topic: str, payload: bytes) -> None:
        """Packed floats, a row of channels per sample."""
        samples = self.samples[topic]
        samples.extend(np.frombuffer(payload, "<f4").reshape(-1, len(self.channels)))
        while len(samples) >= self.length:
            window = np.array(list(islice(samples, self.length)))
            self.score(topic, torch.from_numpy(window.T))
            for _ in range(self.stride):
                samples.popleft()

    def on_number(self, topic: str, payload: bytes) -> None:
        """One sample of one channel, which the topic names."""
        stream, channel = topic.rsplit("/", 1)
        samples = self.by_channel[stream]
        samples[channel].append(float(payload))
        if len(samples[channel]) >= self.length and all(len(each) >= self.length for each in samples.values()):
            self.score(stream, torch.tensor([list(islice(each, self.length)) for each in samples.values()]))
            for each in samples.values():
                for _ in range(self.stride):
                    each.popleft()

    def score(self, stream: str, window: torch.Tensor) -> None:
        """Score one window [C, L], show it and shout if it is above the threshold."""
        with torch.no_grad():
            x = ((window - self.centre) / self.scale)[None]
            error = ((self.model(x) - x) ** 2).mean().item()
        WINDOWS.labels(stream).inc()
        ERROR.labels(stream).set(error)
        SCORE.labels(stream).set(error / self.threshold)
        if error > self.threshold:
            self.client.publish(f"alerts/{stream}", json.dumps({"error": error, "threshold": self.threshold}))


def main() -> None:
    """Subscribe and score for ever."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=1883, help="of the broker on this machine")
    parser.add_argument("--http-port", type=int, default=9109, help="for Prometheus")
    parser.add_argument("--qos", type=int, default=0, help="of the subscription")
    parser.add_argument(
        "--watch", nargs=3, action="append", required=True, metavar=("FILTER", "PAYLOAD", "MODEL"),
        help="topics, their payload (json, binary, number), the model's folder; may be repeated",
    )  # fmt: skip
    args = parser.parse_args()

    client = paho.Client(CallbackAPIVersion.VERSION2)
    watchers = {each.split("/")[0]: Watcher(client, payload, Path(model)) for each, payload, model in args.watch}

    def on_message(_client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        topic = message.topic
        watchers[topic.split("/", 1)[0]].handle(topic, message.payload)
        MESSAGES.inc()

    def on_connect(*_: Any) -> None:
        client.subscribe([(each, args.qos) for each, _, _ in args.watch])

    client.on_message = on_message
    client.on_connect = on_connect
    client.on_subscribe = lambda *_: print("ready", flush=True)
    start_http_server(args.http_port, "127.0.0.1")
    client.connect("127.0.0.1", args.port, keepalive=600)
    client.loop_forever()


if __name__ == "__main__":
    main()
