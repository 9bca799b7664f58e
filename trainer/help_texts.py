"""What the commands of `residuald-trainer` say about themselves: descriptions, examples, exit codes."""

from trainer.registry import FAMILIES

EXIT_CODES = """\
exit codes:
  0 done   2 usage   65 data   66 artifact   70 training diverged   73 cannot write   75 waits for a person   77 key
  78 settings   130 interrupted
"""

DATA_FILES = """\
data files:
  CSV            a header; `time` (ISO 8601 or epoch seconds), one column per channel, optionally `label` (1 = anomaly)
  NPZ samples    samples [n, C], channels [C], sample_rate_hz or time [n], optionally labels [n] and segment [n]
  NPZ windows    windows [N, C, L], channels [C], optionally labels [N]
  Parquet        as CSV; `time` may be a timestamp (needs the extra `parquet`)
  WFDB           give the header, RECORD.hea; beats annotated as abnormal become labels (needs the extra `wfdb`)
  MATLAB         up to version 7; --sample-rate where the file does not say it
Under [reading.wfdb] and [reading.matlab] a settings file says more.
"""

FAMILY_LINES = "families (docs/models.md says more, and when to add what to the training):\n" + "".join(
    f"  {name:<14} {family.about}\n" for name, family in FAMILIES.items()
)

FIT = f"""\
Fit an autoencoder to normal data and write models/NAME/VERSION.pt (TorchScript with its manifest), a report
VERSION.report.html with plots, and the link models/NAME/current, which the daemon follows. In a folder that has a
model in use, the new one waits in models/NAME/candidates until `residuald models promote` puts it into use.

Each recording is split by time: its beginning trains, then a part decides when to stop, and its end sets the threshold.
Windows labelled anomalous are left out of all three; the report shows how well the model tells them apart.

examples:
  residuald-trainer fit --data motor-1.npz motor-2.npz --out models/motor
  residuald-trainer fit --data patient.csv --out models/ecg --kind ecg
  residuald-trainer fit --data pump.csv --out models/pump --config pump.toml --seed 1

{DATA_FILES}
{FAMILY_LINES}
a settings file (docs/training.md lists every key; all are optional; these are the defaults unless said otherwise):
  seed = 0
  [[channel]]                        # default: all channels of the data, without unit and range
  name = "vib_x"
  unit = "g"
  low = -16.0                        # what the sensor can physically deliver
  high = 16.0
  [reading.wfdb]
  annotator = "atr"
  abnormal_beats = "AaJSVEF/fQ"
  before_seconds = 0.25              # how far around its R peak an abnormal beat reaches
  after_seconds = 0.45
  [reading.matlab]                   # default: the variables that alone can be meant
  samples = ["DE_time", "FE_time"]
  rate_hz = "fs"
  [window]                           # default: about one second, half overlapping (below 8 Hz: seven eighths)
  cut = "sliding"                    # or beat: around heartbeats found in the first channel, at least 60 Hz
  length = 256
  stride = 128
  max_gap_samples = 2
  min_coverage = 0.8
  [normalization]
  kind = "fixed"                     # fixed (from the training data); window; stream, template (each stream's own)
  shared = false                     # one centre and scale for all channels: the rows of an image
  [representation]                   # default: spectrum for vibration, raw samples for all else
  kind = "spectrum"                  # or raw: level = false; envelope_spectrum: band_hz = [2000, 4000]; spectrogram
  segment_samples = 64               # of all but raw; default: 1/4, 1/2 and 1/8 of the window
  [model]
  family = "dense"                   # dense: hidden = [64, 32, 8]; conv: features = [8, 16, 32]; pca: components = 0.9
  [training]
  max_epochs = 200
  patience_epochs = 20
  batch_windows = 64
  learning_rate = 0.002
  threads = 1
  loss = "mse"                       # or l1, rmse, huber
  # [training.denoising]             # off; likewise sparse, contractive, variational, latent_consistency
  # kind = "gaussian"                # or masking
  # level = 0.3
  # blur_samples = 2.0               # blur every other window instead, by up to so much
  [split]
  validation = 0.15
  calibration = 0.25
  [score]
  residual = "mean_square"           # or weighed by what is normal: variance (each feature's), covariance
  smoothing_samples = 0.0            # smooth the residual first: forgives what comes a little early or aside
  smoothing_axes = 1                 # 2: across channels, too, where they are the rows of an image
  latent_weight = 0.0                # how much the distance from the normal codes adds, e.g. 1
  [calibration]
  rule = "budget"                    # or quantile, mean_std, mad: `setting` is a level, or how many of them
  false_alarms = "1 per 30d"         # alerts without a cause, per stream; h, d or w
  max_extrapolation = 10.0           # how far beyond the data, in time, their tail is trusted
  [calibration.judge]                # as in the daemon's configuration: the budget counts alerts
  k = 2
  n = 3
  [export]
  onnx = false                       # also write VERSION.onnx (needs the extra `onnx`)

{EXIT_CODES}"""

SELECT = f"""\
Try models on normal data under a time budget, choose one without labels, and fit it as `fit` does. The report explains
the choice.

Models of several families, on raw windows and on their spectra, are fitted to the first part of each recording. They
are then compared by how well they tell a later part from the same windows with injected anomalies: spikes, dropouts,
drift, changes of frequency and of amplitude, and broken correlations. PCA is kept unless a model beats it beyond the
noise. The end of each recording sets the threshold and has no part in the choice. A settings file says everything but
the model, its representation and its error.

examples:
  residuald-trainer select --data motor-1.npz motor-2.npz --out models/motor --budget-minutes 5
  residuald-trainer select --data patient-*.csv --out models/ecg --kind ecg

{DATA_FILES}
{EXIT_CODES}"""

REFIT = f"""\
Refit each model of the daemon's configuration to what its history holds that was normal, and lay the result among the
model's candidates, with a report and with all that was checked. Without arguments it reads
/etc/residuald/monitor.toml; the timer of the package does that. What passes all checks the running daemon takes up by
itself; everything else waits for a person, and the exit code is 75.

A model is refitted once there are enough new normal data (refit.least_days, and as many as its threshold takes), or
when a person calls data bad that it learnt from. Left out are alerts that fired with a margin before and after, windows
that the daemon did not trust, and what people label `maintenance`, `confirmed` or `bad`; `false_alarm` and `new_normal`
take in. At least a third of what trains are the data that the first model was fitted to; the newest part sets the
threshold. docs/refit.md says more.

examples:
  residuald-trainer refit
  residuald-trainer refit --config monitor.toml --model motor --dry-run
  residuald-trainer refit --json | jq '.[].reasons'

{EXIT_CODES}"""

EVALUATE = f"""\
Score data files with an artifact, exactly as the daemon would, and say how well anomalies are told from normal.
Figures: AUC-ROC, AUC-PR (average precision), and at the deployed threshold F1, precision, recall and the
false-alarm rate (alarms among normal windows). Without labels there is only the alarm rate. The daemon's own rules turn
windows into alerts: how many of them were false per day, beside the budget, and how late the others came.

examples:
  residuald-trainer evaluate --model models/motor --data faulty.npz
  residuald-trainer evaluate --model models/ecg/20250101T120000Z-1a2b3c4d.pt --data *.csv --json
  residuald-trainer evaluate --model models/ecg --data ecg.csv --scores scores.csv

{DATA_FILES}
{EXIT_CODES}"""

INSPECT = f"""\
Show what an artifact says about itself and check that it computes its golden windows' errors on this machine.

examples:
  residuald-trainer inspect models/motor
  residuald-trainer inspect models/motor/20250101T120000Z-1a2b3c4d.pt --json

{EXIT_CODES}"""


KEYGEN = f"""\
Make a pair of Ed25519 keys: FILE, the private key to sign with, and FILE.pub, the public key that daemons trust.
Nothing is ever overwritten.

Loading a model runs its code, so whoever can write to a model's folder could run any code as the daemon. A daemon with
`artifacts.require_signature = true` loads only what the owner of a trusted key has signed. Of the owner of a refit key
(`artifacts.refit_keys`) it takes new numbers for a program that a trusted key signed, and no other program: keep the
release key away from the plant, and give the trainer there a key of its own.

examples:
  residuald-trainer keygen release.key
  residuald-trainer keygen /etc/residuald/refit.key

{EXIT_CODES}"""

SIGN = f"""\
Sign an artifact, and the ONNX model beside it where there is one: the signature of VERSION.pt is VERSION.pt.sig, over
every byte of the file. The daemon needs no word of it: it looks when it loads the artifact.

examples:
  residuald-trainer sign models/motor --key release.key
  residuald-trainer fit --data motor.npz --out models/motor --sign-key release.key
  openssl pkeyutl -verify -rawin -pubin -inkey release.key.pub -in VERSION.pt -sigfile VERSION.pt.sig

{EXIT_CODES}"""
