"""Three months of a fleet that ages, is repaired and breaks: refits against a model that never changes."""
