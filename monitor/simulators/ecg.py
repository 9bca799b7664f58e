"""An electrocardiogram: one lead (II, in mV) at 250 Hz."""

SAMPLE_RATE_HZ = 250.0
CHANNELS = ("lead_ii",)
UNITS = ("mV",)
