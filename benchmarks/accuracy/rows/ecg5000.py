"""ECG5000: single heartbeats, each already normalized."""

from pathlib import Path

import numpy as np

from benchmarks.accuracy.rows.protocol import Aim, Row, Task, load, window_items
from monitor.core.dataset.recording import WindowSet

NORMAL = 1


def tasks(folder: Path, quick: bool) -> list[Task]:
    """Fit on the normals of TRAIN and every other normal of TEST; score the rest of both."""
    arrays = load(folder, "ecg5000_dev.npz")
    beats = np.concatenate([arrays["X_train"], arrays["X_test"]]).astype(np.float32)[:, None, :]
    anomalous = np.concatenate([arrays["y_train"], arrays["y_test"]]) != NORMAL
    in_train = np.arange(len(beats)) < len(arrays["X_train"])
    test_normals = np.flatnonzero(~anomalous & ~in_train)
    fitted = ~anomalous & in_train
    fitted[test_normals[::2]] = True
    return [
        Task(
            "ecg5000",
            (WindowSet("ecg5000-fit", ("ecg",), beats[fitted], None),),
            (WindowSet("ecg5000-rest", ("ecg",), beats[~fitted], anomalous[~fitted].astype(np.int8)),),
        )
    ]


ROW = Row(
    name="ecg5000",
    title="ECG5000",
    kind="ecg",
    protocol="normals of TRAIN and every other normal of TEST fit, the rest of both is scored, beat by beat",
    published="PCA-5 AUC .990, F1 .953; VAE AUC .988; LSTM-AE F1 .978",
    aims=(Aim("auc_roc", 0.998, "AUC-ROC"), Aim("f1", 0.975, "F1")),
    tasks=tasks,
    items=window_items,
    pooled=True,
    timed=False,
    analysis="""\
What is short of the aim lies in nine of 656 normal beats (1.5 %). They score as anomalies do, one above the median
anomaly: without them the AUC is .998 (seed 0). The data are known to hold about as many beats labelled normal that
do not look so. Fourteen of 1144 anomalies are missed, half of them supraventricular (class 4), whose shape is
normal and whose time is not; the data cut time away. Tried: whitened and variance-scaled errors (AUC .993 and
.994), the distance of the code (no difference), convolutional (.995) and residual networks (.994).""",
)
