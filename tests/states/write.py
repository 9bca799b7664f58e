"""Write what a version of the daemon leaves on the disk when it is killed, to be restored by all later versions.

    python -m tests.states.write --residuald PATH --trainer PATH --out DIR

The two programs may be of any version: they are only run. The daemon watches two models whose normalization is learnt
from each stream, between a real Mosquitto and a simulated plant, and is killed (SIGKILL) while

* one alert fires, one is pending, and one stream is muted, all of it held by the checkpoint;
* two streams have learnt only a part of what is usual for them;
* the journal holds messages that came after the checkpoint, and by them one alert began and one was resolved;
* of these last alert steps the broker has received the first and not the others.

DIR gets `monitor.toml`, `models/`, `kept/` (journal and checkpoint) and `meta.json`, which says all this in numbers.
"""

import argparse
import json
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from tests.broker import Broker, Peer, running, wait_until
from tests.daemon import Daemon
from tests.states.gate import Gate

RATE_HZ = 100.0
LENGTH = 40  # two periods of the wave below: so windows are alike, as a template wants them
WARMUP = 6
FAULT = 4.0  # times the usual amplitude
LEARNT = {
    "hum": ("north.press", "north.pump", "north.lathe", "north.mill", "north.saw", "north.drill"),
    "shape": ("south.oven", "south.kiln"),
}
LEARNING = {"hum": ("north.fan",), "shape": ("south.forge",)}
FIRING, PENDING, MUTED, BEGINS, ENDS = "north.press", "north.pump", "north.lathe", "north.saw", "north.drill"
KINDS = {"hum": "stream", "shape": "template"}

CONFIG = """\
[mqtt]
host = "127.0.0.1"
port = {port}
commands = true
[http]
port = 0
[log]
format = "json"
[journal]
path = "kept"
checkpoint_seconds = 3600
max_age_seconds = 1e9
[timing]
expire_after_seconds = 1e6
[[model]]
name = "hum"
path = "models/hum"
judge = {{ k = 2, n = 6, release_windows = 3 }}
[[source]]
name = "machines"
topic = "plant/{{site}}/{{device}}/hum"
model = "hum"
qos = 1
format = {{ kind = "json", timestamp = "ts", rows = "rows" }}
[[model]]
name = "shape"
path = "models/shape"
[[source]]
name = "furnaces"
topic = "plant/{{site}}/{{device}}/shape"
model = "shape"
qos = 1
format = {{ kind = "json", timestamp = "ts", rows = "rows" }}
"""

FIT = """\
[representation]
kind = "raw"
[normalization]
kind = "{kind}"
warmup_windows = {warmup}
[calibration]
rule = "quantile"
"""


def wave(start: int, count: int, level: float = 0.0, amplitude: float = 1.0, seed: int = 0) -> np.ndarray:
    """Samples [count, 2] of a machine that hums at 5 Hz around its own `level`."""
    at = np.arange(start, start + count) / RATE_HZ
    rng = np.random.default_rng((seed, start))
    rows = np.stack([np.sin(2 * np.pi * 5 * at), np.cos(2 * np.pi * 5 * at)], axis=1)
    rows[:, 0] *= amplitude
    return level + rows + rng.normal(0, 0.05, rows.shape)


def fit(trainer: Path, folder: Path, name: str) -> None:
    """Fit a small linear model into `models/<name>`, and leave only what a daemon needs."""
    data, settings, model = folder / f"{name}.npz", folder / f"{name}.toml", folder / "models" / name
    samples = wave(0, 20000, seed=1).astype(np.float32)
    np.savez(data, samples=samples, channels=["a", "b"], sample_rate_hz=RATE_HZ)
    settings.write_text(FIT.format(kind=KINDS[name], warmup=WARMUP))
    window = ["--family", "pca", "--window", str(LENGTH), "--stride", str(LENGTH)]
    command: list[str | Path] = [trainer, "fit", "--data", data, "--out", model, "--config", settings, *window]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for file in model.iterdir():
        if file.is_dir():
            shutil.rmtree(file)
        elif file.suffix != ".pt" and not file.is_symlink():
            file.unlink()


class Plant:
    """Devices that send one window per message, each with a level of its own; a daemon that takes them all in."""

    def __init__(self, peer: Peer, daemon: Daemon) -> None:
        self.messages = 0
        self._peer = peer
        self._daemon = daemon
        self._began = round(time.time()) - 30.0
        self._sent: dict[str, int] = {}
        self._streams = [(model, stream) for each in (LEARNT, LEARNING) for model in each for stream in each[model]]

    def send(self, stream: str, amplitude: float = 1.0, windows: int = 1) -> None:
        """Let a stream send its next windows."""
        model = next(model for model, name in self._streams if name == stream)
        number = [name for _, name in self._streams].index(stream)
        for _ in range(windows):
            first = self._sent.get(stream, 0)
            rows = wave(first, LENGTH, 10.0 * number, amplitude, number).round(4).tolist()
            body = {"ts": self._began + first / RATE_HZ, "rows": rows}
            self._peer.publish(f"plant/{stream.replace('.', '/')}/{model}", json.dumps(body).encode(), qos=1)
            self._sent[stream] = first + LENGTH
            self.messages += 1

    def mute(self, stream: str) -> None:
        """Mute a stream for as long as a stream may be muted."""
        self._peer.publish(f"residuald/{stream}/set/mute", b"30d", qos=1)
        self.messages += 1

    def wait_journaled(self) -> None:
        """Wait until the daemon has committed all that was sent."""
        metric = "residuald_journal_messages_total"
        wait_until(lambda: self._daemon.value(metric) == self.messages, "every message is in the journal")


def until_the_checkpoint(plant: Plant, daemon: Daemon, peer: Peer) -> list[dict[str, object]]:
    """Bring about what the checkpoint holds; the alert steps that were published till then."""
    for streams in LEARNT.values():
        for stream in streams:
            plant.send(stream, windows=WARMUP + 1)
    for streams in LEARNING.values():
        for stream in streams:
            plant.send(stream, windows=WARMUP // 2)
    for stream in (FIRING, ENDS):
        plant.send(stream, FAULT, windows=2)
    plant.send(PENDING, FAULT)
    plant.wait_journaled()
    steps = [f"residuald/{stream}/alert" for stream in (FIRING, FIRING, ENDS, ENDS, PENDING)]
    wait_until(lambda: sorted(seen.topic for seen in peer.seen) == sorted(steps), "the alerts are delivered")
    # a message more, so that it is committed that the steps were delivered, and a command, which asks for a checkpoint
    plant.send("north.mill")
    plant.wait_journaled()
    asked = time.time()
    plant.mute(MUTED)
    metric = "residuald_checkpoint_timestamp_seconds"
    wait_until(lambda: (daemon.value(metric) or 0.0) > asked, "there is a checkpoint with the mute in it")
    return [json.loads(seen.payload) for seen in peer.seen]


def after_the_checkpoint(plant: Plant, gate: Gate) -> None:
    """Bring about what only the journal holds. The broker receives the first new alert step, and no more."""
    gate.arm()
    plant.send(BEGINS, FAULT)
    wait_until(gate.holding.is_set, "the broker has received the first step")
    plant.send(BEGINS, FAULT)
    plant.send(ENDS, windows=3)
    plant.send(MUTED, FAULT, windows=3)
    for streams in LEARNT.values():
        for stream in streams:
            if stream not in {BEGINS, ENDS, MUTED}:
                plant.send(stream)
    for streams in LEARNING.values():
        plant.send(streams[0])
    plant.wait_journaled()
    # what is published has been committed
    for phase in (b"firing", b"resolved"):
        wait_until(lambda phase=phase: b'"phase":"%b"' % phase in gate.held, "the other steps wait in vain")  # type: ignore[misc]


def collect(folder: Path, out: Path, meta: dict[str, object]) -> None:
    """Copy what lies there, the journal as one file."""
    with closing(sqlite3.connect(folder / "kept" / "journal.sqlite")) as journal:
        journal.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.rmtree(out, ignore_errors=True)
    (out / "kept").mkdir(parents=True)
    for file in ("checkpoint", "journal.sqlite"):
        shutil.copy(folder / "kept" / file, out / "kept" / file)
    shutil.copytree(folder / "models", out / "models", symlinks=True)
    shutil.copy(folder / "monitor.toml", out / "monitor.toml")
    (out / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--residuald", type=Path, required=True, help="the daemon's program")
    parser.add_argument("--trainer", type=Path, required=True, help="the trainer's program")
    parser.add_argument("--out", type=Path, required=True, help="where to; what is there is replaced")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, running(Broker(Path(name))) as broker:
        folder = Path(name)
        for model in KINDS:
            fit(args.trainer, folder, model)
        gate = Gate(broker.port)
        (folder / "monitor.toml").write_text(CONFIG.format(port=gate.port))
        daemon = Daemon(folder / "monitor.toml", args.residuald).wait_connected()
        peer = Peer(broker)
        peer.listen("residuald/+/alert")
        plant = Plant(peer, daemon)
        try:
            said = until_the_checkpoint(plant, daemon, peer)
            after_the_checkpoint(plant, gate)
        finally:
            daemon.stop(signal.SIGKILL)
            gate.close()
            peer.close()
        meta: dict[str, object] = {
            "wall_seconds": time.time(),
            "learnt": LEARNT,
            "learning": LEARNING,
            "in_checkpoint": {"firing": [FIRING, ENDS], "pending": [PENDING], "muted": [MUTED]},
            "at_the_end": {"firing": [FIRING, BEGINS], "pending": [PENDING], "muted": [MUTED]},
            "said": said,
            "received": [[BEGINS, "pending"]],
            "unsaid": [[BEGINS, "firing"], [ENDS, "resolved"]],
            "messages": plant.messages,
        }
        collect(folder, args.out, meta)


if __name__ == "__main__":
    main()
