"""The connection to the broker: MQTT 5, one session that lasts, acknowledgements by hand.

```text
broker ──PUBLISH──▶ paho's thread ──▶ inbox (at most `receive_max`) ──▶ Consumer: store, commit ──▶ acknowledge ──▶ PUBACK
```
The broker keeps at most `receive_max` messages unacknowledged, so the inbox is bounded by it. A message that was
received on an earlier connection is not acknowledged on a later one: its packet id may mean another message there,
and the broker sends it again anyway.
"""

import contextlib
import logging
import queue
import ssl
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from .config import Mqtt
from .words import Word

log = logging.getLogger(__name__)

# Counters while the database is away: the next ones come in five minutes.
_MOST_WAITING_AT_QOS_0 = 1000


@dataclass(frozen=True)
class Incoming:
    """A message that waits to be stored. `connection` numbers the connection it came by."""

    topic: str
    payload: bytes
    qos: int
    mid: int
    connection: int
    correlation: bytes | None


class Link:
    """Connects, and keeps connecting, in paho's thread until `stop`."""

    def __init__(self, config: Mqtt, filters: list[str]) -> None:
        self.inbox: queue.Queue[Incoming] = queue.Queue()
        self._config, self._filters = config, filters
        self._lock = threading.Lock()
        self._connection = 0
        self._online = False
        # Written by paho's thread, which holds locks of its own while it calls us: it only appends.
        self._answers: deque[tuple[int, ReasonCode]] = deque()
        self._said: dict[int, Any] = {}
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, config.client_id, protocol=mqtt.MQTTv5, manual_ack=True
        )
        self._client.on_connect, self._client.on_disconnect = self._on_connect, self._on_disconnect
        self._client.on_subscribe, self._client.on_message = self._on_subscribe, self._on_message
        self._client.on_publish, self._client.on_connect_fail = self._on_publish, self._on_connect_fail
        self._client.reconnect_delay_set(1, 60)
        if config.username is not None:
            self._client.username_pw_set(config.username, config.password.reveal() if config.password else None)
        if config.tls:
            self._client.tls_set_context(_tls(config))

    def start(self) -> None:
        """Returns at once."""
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._config.session_days * 86_400
        properties.ReceiveMaximum = self._config.receive_max
        self._client.connect_async(
            self._config.host, self._config.port, self._config.keep_alive_s, clean_start=False, properties=properties
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Says goodbye; the session stays at the broker, with what was not acknowledged."""
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def is_online(self) -> bool:
        """Connected and subscribed."""
        return self._online

    def acknowledge(self, message: Incoming) -> bool:
        """Lets the broker forget the message. False if it came by an earlier connection: it will come again."""
        with self._lock:
            if message.qos == 0:
                return True
            if message.connection != self._connection:
                return False
            self._client.ack(message.mid, message.qos)
            return True

    def say(self, word: Word, token: Any = None) -> bool:
        """Publishes if there is a connection; once the broker has it, `accepted` returns `token`."""
        if not self._online:
            return False
        properties = Properties(PacketTypes.PUBLISH)
        properties.MessageExpiryInterval, properties.ContentType = word.expiry_s, word.content_type
        if word.response_topic is not None:
            properties.ResponseTopic, properties.CorrelationData = word.response_topic, word.correlation
        info = self._client.publish(word.topic, word.payload, qos=1, properties=properties)
        self._said[info.mid] = token
        return True

    def accepted(self) -> list[Any]:
        """Tokens of what the broker has taken since the last call; what it refused is logged and said again later."""
        tokens = []
        while self._answers:
            mid, code = self._answers.popleft()
            token = self._said.pop(mid, None)
            # 0x10, No matching subscribers, is no failure: the gateway may be about to come back with a new session.
            if code.is_failure:
                log.error("the broker refuses a receipt or a command: %s", code)
            elif token is not None:
                tokens.append(token)
        return tokens

    def listen(self, filters: list[str]) -> None:
        """Subscribes to more, for as long as this connection or session lasts."""
        self._client.subscribe([(each, SubscribeOptions(qos=1)) for each in filters])

    def unlisten(self, filters: list[str]) -> None:
        """Takes that back."""
        self._client.unsubscribe(filters)

    def leave(self, patience_s: float = 30.0) -> bool:
        """Makes the broker forget the session with everything that waits in it. True once it has."""
        gone = threading.Event()
        self._client.on_connect = lambda client, _, __, code, ___: None if code.is_failure else gone.set()
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 0
        self._client.connect_async(self._config.host, self._config.port, clean_start=True, properties=properties)
        self._client.loop_start()
        done = gone.wait(patience_s)
        self.stop()
        return done

    def _on_connect(self, client: mqtt.Client, _: Any, flags: mqtt.ConnectFlags, code: ReasonCode, __: Any) -> None:
        if code.is_failure:
            log.error("%s:%d refuses the connection: %s", self._config.host, self._config.port, code)
            return
        with self._lock:
            self._connection += 1
        log.info("connected to %s:%d, session %s", self._config.host, self._config.port,
                 "resumed" if flags.session_present else "new")
        # Subscribed to anew each time: the session may be older than the configuration.
        client.subscribe([(each, SubscribeOptions(qos=1)) for each in self._filters])

    def _on_subscribe(self, _: mqtt.Client, __: Any, ___: int, codes: list[ReasonCode], ____: Any) -> None:
        if self._online:
            return
        for wanted, code in zip(self._filters, codes, strict=False):
            if code.is_failure:
                log.error("the broker does not let us read %s: %s", wanted, code)
        self._online = True
        log.info("listening for events")

    def _on_connect_fail(self, _: mqtt.Client, __: Any) -> None:
        log.warning("%s:%d cannot be reached", self._config.host, self._config.port)

    def _on_disconnect(self, _: mqtt.Client, __: Any, ___: Any, code: ReasonCode, ____: Any) -> None:
        with self._lock:
            self._online = False
            self._connection += 1
        # They come again; keeping them would add a window of messages with each connection.
        with contextlib.suppress(queue.Empty):
            while True:
                self.inbox.get_nowait()
        log.warning("no connection to %s:%d any more: %s", self._config.host, self._config.port, code)

    def _on_message(self, _: mqtt.Client, __: Any, message: mqtt.MQTTMessage) -> None:
        if message.qos == 0 and self.inbox.qsize() >= _MOST_WAITING_AT_QOS_0:
            return
        correlation = getattr(message.properties, "CorrelationData", None)
        self.inbox.put(
            Incoming(message.topic, bytes(message.payload), message.qos, message.mid, self._connection, correlation)
        )

    def _on_publish(self, _: mqtt.Client, __: Any, mid: int, code: ReasonCode, ___: Any) -> None:
        self._answers.append((mid, code))


def _tls(config: Mqtt) -> ssl.SSLContext:
    """Raises `OSError` naming the keys of the configuration."""
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
        if config.cert_file is not None:
            context.load_cert_chain(config.cert_file, config.key_file)
    except OSError as error:
        raise OSError(f"mqtt.ca_file, mqtt.cert_file or mqtt.key_file cannot be used: {error}") from None
    return context
