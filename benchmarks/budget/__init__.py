"""Whether thresholds keep their false-alarm budget."""
