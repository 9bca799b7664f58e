"""HTTP: the server of `/metrics` and the health pages, and who may read them."""
