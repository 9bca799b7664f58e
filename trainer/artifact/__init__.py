"""The artifact: compiled, exported, signed, and kept in its folder."""
