"""The trainer: normal recordings in, one calibrated TorchScript artifact and a report out."""
