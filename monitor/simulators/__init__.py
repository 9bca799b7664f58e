"""Simulators with physics behind them: a motor and a heart, in health and with faults.

They are pure like `monitor.core`: seeded, no clock, no I/O. The same samples come out however they are asked for:
as one recording or as an endless stream of blocks of any size.
"""
