"""A refit: what of the history is normal, a fit anew on it, and what must hold before it is proposed."""
