"""The pipeline: from messages to verdicts, alerts and reports."""
