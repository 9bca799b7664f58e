"""What an operator can do about the reason that a broker gives for a refusal or an end; MQTT 5.0, section 2.4."""

from paho.mqtt.reasoncodes import ReasonCode

_HINTS = {
    0x81: "it cannot read what we sent: is a proxy in between?",
    0x82: "it finds that we break the protocol; another mqtt.protocol may help",
    0x85: "see mqtt.client_id: some brokers take 23 letters and digits at most",
    0x88: "it is starting, or overloaded",
    0x89: "it is overloaded",
    0x8A: "only who runs the broker can lift that",
    0x8B: "it will be back",
    0x8C: "it wants another way to log in than user and password",
    0x8D: "nothing of ours reached it in time: is this host, or the network, overloaded?",
    0x8F: "see `topic` of the sources",
    0x90: "see mqtt.base_topic, and `stream` of the sources, which make the topic",
    0x93: "we had more messages on their way than it takes",
    0x95: "what we publish is larger than it takes: alerts go without `channels`, other messages not at all",
    0x96: "it limits how much a client may publish",
    0x97: "it limits how much a client may use",
    0x98: "somebody who runs the broker did it",
    0x9A: "it keeps no retained messages; we go on without",
    0x9B: "it does not know the QoS; we go on with a lower one",
    0x9C: "see mqtt.host",
    0x9D: "see mqtt.host",
    0x9E: "it admits no shared subscriptions: see `topic` of the sources",
    0x9F: "too many connections in too short a time; we wait longer each time",
    0xA0: "it lets no connection last longer; we connect again",
    0xA2: "it admits no wildcards: see `topic` of the sources",
}


def name_of(code: int) -> str:
    """The name of a reason code, whatever packet it came with: brokers may send any."""
    names = ReasonCode.names.get(code)
    return f"reason code {code}" if names is None else next(iter(names))


def hint_of(code: int) -> str:
    """What a reason code asks for, in parentheses; empty where nothing can be said."""
    hint = _HINTS.get(code)
    return "" if hint is None else f" ({hint})"
