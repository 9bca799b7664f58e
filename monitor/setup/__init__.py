"""Set-up: from a configuration file to a pipeline that is ready to run, and its reload."""
