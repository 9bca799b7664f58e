"""MNIST, one digit normal and the others anomalous, ten times."""

from pathlib import Path

import numpy as np

from benchmarks.quality_rows.protocol import Aim, Row, Task, load, window_items
from monitor.core.recording import WindowSet

FILE = "mnist_t10k_even.npz"
ROWS = tuple(f"row{number:02d}" for number in range(28))


def tasks(folder: Path, quick: bool) -> list[Task]:
    """Fit on every other image of a digit; score its other images and all of the other digits."""
    arrays = load(folder, FILE)
    images = (arrays["images"] / 255).astype(np.float32)
    found = []
    for digit in (0, 4) if quick else range(10):
        mine = np.flatnonzero(arrays["labels"] == digit)
        fitted = np.zeros(len(images), np.bool_)
        fitted[mine[::2]] = True
        anomalous = (arrays["labels"][~fitted] != digit).astype(np.int8)
        found.append(
            Task(
                f"mnist-{digit}",
                (WindowSet(f"mnist-{digit}-fit", ROWS, images[fitted], None),),
                (WindowSet(f"mnist-{digit}-rest", ROWS, images[~fitted], anomalous),),
            )
        )
    return found


ROW = Row(
    name="mnist",
    title="MNIST, one digit normal",
    kind="image",
    protocol="every other image of one digit fits, its other images and all other digits are scored; the mean of ten "
    "runs, one per digit; a window is an image, a channel one of its rows",
    published="PCA-40 AUC .957",
    aims=(Aim("auc_roc", 0.97, "AUC-ROC"),),
    tasks=tasks,
    items=window_items,
    pooled=False,
    timed=False,
)
