"""The two readers that residuald is compared with: the wire itself, and a bare paho-mqtt subscriber.

`drain` (D) only empties its socket and counts bytes: nothing that reads from this broker can be faster. `count` (R) is
paho-mqtt with a callback that counts. Each prints `ready` once it is subscribed, and `done` with the monotonic time
when everything has come; then it stays until its standard input ends, so that its processor time can be read.
"""

import argparse
import socket
import sys
import time
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.common.packets import CONNACK, SUBACK, connect_packet, split, subscribe_packet

_READ_BYTES = 1024 * 1024
# A reader that naps lets the broker write more at a time: Mosquitto hands out up to twice as much to it.
_NAP_SECONDS = 0.002


def drain(port: int, filters: list[str], total_bytes: int) -> None:
    """Read `total_bytes` of PUBLISH packets, at QoS 0: who does not look at packets cannot confirm them."""
    with socket.create_connection(("127.0.0.1", port)) as stream:
        early = bytearray()
        for request, answer in ((connect_packet("drain"), CONNACK), (subscribe_packet(filters, 0), SUBACK)):
            stream.sendall(request)
            kind = 0
            while kind != answer:
                early += stream.recv(4096)
                kind = next((kind for kind, _ in split(early)), 0)
        _say("ready")
        buffer = memoryview(bytearray(_READ_BYTES))
        left = total_bytes
        while left > 0:
            count = stream.recv_into(buffer)
            if not count:
                raise SystemExit(f"the broker closed the connection, {left} bytes before the end")
            left -= count
            time.sleep(_NAP_SECONDS)
        _done()


def count(port: int, filters: list[str], qos: int, total_messages: int) -> None:
    """Count `total_messages` with paho-mqtt, used as its manual shows."""
    left = total_messages

    def on_message(_client: paho.Client, _userdata: object, _message: paho.MQTTMessage) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            _done()

    def on_connect(*_: Any) -> None:
        client.subscribe([(each, qos) for each in filters])

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="count")
    client.on_message = on_message
    client.on_connect = on_connect
    client.on_subscribe = lambda *_: _say("ready")
    client.connect("127.0.0.1", port, keepalive=600)
    client.loop_forever()


def _done() -> None:
    _say(f"done {time.monotonic()!r}")
    sys.stdin.read()
    raise SystemExit(0)


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """Read the command line and run one reader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader", choices=("drain", "count"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--filter", action="append", required=True, help="topic filter; may be repeated")
    parser.add_argument("--qos", type=int, choices=(0, 1), default=0, help="of the subscription (count)")
    parser.add_argument("--total", type=int, required=True, help="bytes to drain, or messages to count")
    args = parser.parse_args()
    if args.reader == "drain":
        drain(args.port, args.filter, args.total)
    else:
        count(args.port, args.filter, args.qos, args.total)


if __name__ == "__main__":
    main()
