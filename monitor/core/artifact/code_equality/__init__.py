"""Whether a refit is of the make of its parent: code, shapes, channels; it may differ in what is learnt from data."""
