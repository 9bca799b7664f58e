"""How far a delivery is outlives connections and processes, and no two deliveries share a packet identifier."""

from monitor.adapters.mqtt.delivery_progress import DeliveryProgress
from monitor.core.ports import Delivery, StepKey


def delivery(alert: str, step: int = 0) -> Delivery:
    return Delivery(StepKey(alert, step), "m/alert", b"{}")


def test_a_delivery_goes_on_under_its_packet_identifier_in_another_process() -> None:
    one, two = DeliveryProgress(), DeliveryProgress()
    begun = delivery("a").at(one.begin(StepKey("a", 0)))
    assert one.take_up(begun) == two.take_up(begun)
    assert not two.take_up(begun)[1]


def test_what_the_broker_has_is_released_once_that_is_committed_and_only_then() -> None:
    progress = DeliveryProgress()
    begun = delivery("a").at(progress.begin(StepKey("a", 0)))
    packet_id, _ = progress.take_up(begun)
    assert progress.released([begun.key]) == []
    (received,) = progress.progress([(packet_id, begun.key)], [])
    assert (received.key, received.done) == (begun.key, False)
    assert progress.released([begun.key]) == [packet_id]
    assert progress.released([begun.key]) == []
    assert DeliveryProgress().take_up(begun.at(received.progress)) == (packet_id, True)


def test_no_two_deliveries_under_way_share_a_packet_identifier() -> None:
    progress = DeliveryProgress()
    kept = [progress.take_up(delivery(str(number)).at(progress.begin(StepKey(str(number), 0)))) for number in range(99)]
    again = DeliveryProgress()
    for number, (packet_id, _) in enumerate(kept):
        assert again.take_up(delivery(str(number)).at(packet_id.to_bytes(2, "big") + b"\0"))[0] == packet_id
    fresh = {again.take_up(delivery(name).at(again.begin(StepKey(name, 0))))[0] for name in ("x", "y")}
    assert len(fresh) == 2
    assert fresh.isdisjoint(packet_id for packet_id, _ in kept)


def test_a_packet_identifier_is_free_again_when_its_delivery_is_done() -> None:
    progress = DeliveryProgress()
    for number in range(40_000):  # more than there are
        key = StepKey(str(number), 0)
        packet_id, _ = progress.take_up(Delivery(key, "m/alert", b"{}", progress.begin(key)))
        (done,) = progress.progress([], [(packet_id, key)])
        assert done.done
    assert not progress._in_use


def test_damaged_progress_starts_the_delivery_anew() -> None:
    packet_id, released = DeliveryProgress().take_up(delivery("a").at(b"what"))
    assert 0x8000 <= packet_id <= 0xFFFF
    assert not released
