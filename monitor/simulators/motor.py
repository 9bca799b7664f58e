"""An induction motor: three axes of vibration, one phase current and the winding's temperature.

All channels share one grid of 1000 Hz. The motor turns at up to 25 Hz, so the fifth harmonic of the shaft (125 Hz),
the inner-race frequency of the bearing (135 Hz) with its second harmonic, twice the line frequency (100 Hz) and the
housing resonance (340 Hz) that bearing impacts excite all lie below the Nyquist frequency of 500 Hz.
"""

SAMPLE_RATE_HZ = 1000.0
CHANNELS = ("vib_x", "vib_y", "vib_z", "current", "temperature")
UNITS = ("g", "g", "g", "A", "degC")
