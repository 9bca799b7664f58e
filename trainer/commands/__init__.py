"""One module per command of `residuald-trainer`; each has `run(args) -> exit code`."""
