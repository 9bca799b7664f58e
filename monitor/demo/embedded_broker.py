"""An MQTT 3.1.1 broker inside this process, for the demo: amqtt, in a thread with an event loop of its own."""

import asyncio
import logging
import threading
from typing import Any

from monitor.errors import UnavailableError

_START_SECONDS = 10.0


class EmbeddedBroker:
    """Serves anybody on `host:port` until it is stopped. Nothing outlives it."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._started = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="embedded-broker", daemon=True)

    def start(self) -> None:
        """Begin to serve.

        Raises:
            UnavailableError: amqtt is not installed, or the port is taken.

        """
        try:
            import amqtt.broker  # noqa: F401, PLC0415  # an extra: only the demo needs a broker of its own
        except ImportError as error:
            raise UnavailableError(
                "a broker of its own takes amqtt: pip install 'residuald[demo]', or name yours: --broker HOST"
            ) from error
        # its every connection is logged otherwise, and its failures come back as exceptions anyway
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        logging.getLogger("transitions").setLevel(logging.CRITICAL)
        self._thread.start()
        if not self._started.wait(_START_SECONDS) or self._failure is not None:
            why = self._failure or f"it did not start within {_START_SECONDS:g} s"
            raise UnavailableError(f"no broker on {self.host}:{self.port}: {why}")

    def stop(self) -> None:
        """Disconnect everybody and end."""
        if self._loop is not None and self._stopping is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_START_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001  # the thread that started us reports it
            self._failure = error
            self._started.set()

    async def _serve(self) -> None:
        from amqtt.broker import Broker  # noqa: PLC0415  # see start

        class Tidy(Broker):  # type: ignore[misc]  # amqtt leaves a connection open that has said nothing when it ends
            async def stream_connected(self, reader: Any, writer: asyncio.StreamWriter, listener_name: str) -> None:
                try:
                    await super().stream_connected(reader, writer, listener_name)
                except asyncio.CancelledError:
                    pass  # it ends with the broker
                finally:
                    writer.close()

        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        settings: dict[str, Any] = {
            "listeners": {"default": {"type": "tcp", "bind": f"{self.host}:{self.port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
        broker = Tidy(settings)
        await broker.start()
        self._started.set()
        await self._stopping.wait()
        await broker.shutdown()
