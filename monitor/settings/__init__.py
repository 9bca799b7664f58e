"""Settings: TOML into frozen records, and the wording of what is wrong with it."""
