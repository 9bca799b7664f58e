"""What can be simulated, by name: channels, units, sample rates and faults.

Only names and numbers, no arithmetic: the command line describes itself from here without loading numpy and scipy.
"""

from dataclasses import dataclass
from enum import StrEnum

MOTOR_TOPIC = "plant/{site}/{device}/motor"
ECG_TOPIC = "ward/{bed}/ecg"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of device. `faults` maps a name to what it means."""

    channels: tuple[str, ...]
    units: tuple[str, ...]
    sample_rate_hz: float
    faults: dict[str, str]


MOTOR = Kind(
    channels=("vib_x", "vib_y", "vib_z", "current", "temperature"),
    units=("g", "g", "g", "A", "degC"),
    sample_rate_hz=1000.0,
    faults={
        "imbalance": "a heavy spot on the rotor: radial vibration at 1x the shaft frequency",
        "misalignment": "shafts out of line: vibration at 2x, mostly axial",
        "bearing_outer": "a pit in the bearing's outer race: impacts at BPFO, 3.58x",
        "bearing_inner": "a pit in the bearing's inner race: impacts at BPFI, 5.42x, in and out of the load zone",
        "looseness": "a loose foot: half orders 0.5x, 1.5x, 2.5x and truncated peaks",
        "current_asymmetry": "unequal phases: negative-sequence current, vibration at twice the line frequency",
        "overheating": "hindered cooling: the winding warms towards a higher temperature",
        "sensor_stuck": "one channel keeps its last value",
        "sensor_dropout": "samples of all channels go missing in bursts",
    },
)

ECG = Kind(
    channels=("lead_ii",),
    units=("mV",),
    sample_rate_hz=250.0,
    faults={
        "pvc": "premature ventricular contractions: early, wide, without P, with a compensatory pause",
        "st_elevation": "the ST segment rises, as in an infarction",
        "st_depression": "the ST segment sinks, as in ischaemia",
        "lead_off": "an electrode has come off: a flat line with noise",
    },
)


class Profile(StrEnum):
    """What a plant asks of a motor."""

    STEADY = "steady"  # on the grid, three quarters of the rated load
    LOAD_STEPS = "load_steps"  # on the grid, load jumps between 0.4 and 1.0 of the rated every 5 to 20 s
    VARIABLE_SPEED = "variable_speed"  # on an inverter that ramps between 30 and 50 Hz; a fan: load ~ speed squared
