"""`residuald history`: what is kept is shown, taken out and forgotten, to the last byte."""

import stat
from pathlib import Path

import numpy as np
import pytest

from monitor.adapters.storage.history_forget import mark_of
from monitor.adapters.storage.history_store import HistoryStore
from monitor.adapters.storage.label_table import add_label
from monitor.cli import main
from monitor.commands.trained_on import is_fitted_to
from monitor.core.dataset.recording import Recording, parse_recording
from monitor.core.history.alert_record import AlertRecord
from monitor.core.history.label import Label
from monitor.readers.history import History
from tests.manifests import manifest_fields, manifest_of
from tests.unit.monitor.adapters.storage.test_history_store import LAYOUT, line_of, stretch_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    store = HistoryStore(tmp_path / "history.sqlite", 2**30)
    store.open()
    store.put_layout(LAYOUT)
    for start in (0.0, 600.0, 1800.0):
        store.put_stretch(stretch_of(start))
    store.put_stretch(stretch_of(0.0, stream="m2"))
    store.put_line("motor", "m1", line_of(59.0, 78))
    store.put_alert(AlertRecord("a1", "motor", "m1", 700.0, 800.0, True, 2.5, "calm", ("vib",)))
    store.flush()
    store.run(lambda database: add_label(database, Label("m1", 10.0, 20.0, "maintenance", "ann", 30.0, "command")))
    store.close()
    return store.file


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["history", *map(str, arguments)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_table_tells_of_each_stream_how_much_of_its_time_is_kept(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "--history", file)
    assert code == 0
    row = next(line.split() for line in out.splitlines() if line.startswith(" m1"))
    assert row[:5] == ["m1", "motor", "30.0", "min", "75.0%"]
    assert row[-2:] == ["1", "1"]
    assert "in 2 streams" in out
    code, out, _ = run(capsys, "--history", file, "--stream", "m1", "--since", "1970-01-01T00:20:00Z")
    assert "10.0 min" in out


def test_what_is_not_there_is_an_error_that_says_so(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--history", file, "--stream", "m9")[0] == 65
    code, _, err = run(capsys, "--history", file.with_name("none.sqlite"))
    assert code == 65
    assert "there is no history" in err
    with pytest.raises(SystemExit):
        run(capsys, "--history", file, "--export", "x.npz")
    with pytest.raises(SystemExit):
        run(capsys, "--history", file, "forgot", "m1")


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_an_export_reads_as_a_recording_with_its_gap(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    target = tmp_path / f"out{suffix}"
    assert run(capsys, "--history", file, "--stream", "m1", "--export", target)[0] == 0
    recording = parse_recording(target.name, target.read_bytes())
    assert isinstance(recording, Recording)
    assert recording.channels == LAYOUT.channels
    assert recording.time_seconds.tolist() == [*range(1200), *range(1800, 2400)]
    np.testing.assert_array_equal(recording.samples[600:1200].T, stretch_of(600.0).values)
    assert len(set(recording.segment.tolist())) == (2 if suffix == ".npz" else 1)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert run(capsys, "--history", file, "--stream", "m1", "--export", target)[0] == 73  # it exists


def test_what_is_forgotten_is_in_no_file_any_more(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "patient-4711"
    store = HistoryStore(file, 2**30)
    store.open()
    for start in range(0, 60_000, 600):
        store.put_stretch(stretch_of(float(start), stream=secret, seed=7))
        store.put_line("motor", secret, line_of(float(start), 20))
    store.put_alert(AlertRecord("a9", "motor", secret, 700.0, 800.0, True, 2.5, "calm", ("vib",)))
    store.flush()
    store.run(lambda database: add_label(database, Label(secret, 10.0, 20.0, "bad", "ann", 30.0, "command")))
    content = store.run(
        lambda database: database.execute("SELECT content FROM stretch WHERE stream = ?", (secret,)).fetchone()[0]
    )
    sample = content[200:232]
    (tmp_path / "history.sqlite.damaged-1").write_bytes(secret.encode())
    on_disk = [path.read_bytes() for path in tmp_path.iterdir()]
    assert any(secret.encode() in each for each in on_disk)
    assert any(sample in each for each in on_disk)

    code, out, _ = run(capsys, "--history", file, "forget", secret)
    assert code == 0
    assert "100 stretches" in out
    assert "1 labels" in out
    for path in tmp_path.iterdir():  # with a daemon that has the file open still
        assert secret.encode() not in path.read_bytes(), path
        assert sample not in path.read_bytes(), path
    assert not (tmp_path / "history.sqlite.damaged-1").exists()
    assert file.stat().st_size < 150_000  # of 600,000
    assert store.look_again()
    assert store.take_marks() == {mark_of(secret)}
    assert store.take_marks() == set()
    store.close()
    with History.open(file) as history:
        assert [each.name for each in history.streams("motor")] == ["m1", "m2"]
        assert len(history.labels()) == 1


def test_artifacts_are_listed_that_were_fitted_to_a_stream() -> None:
    def fitted_to(*names: str) -> bool:
        data = [{"name": name, "sha256": "ab" * 32, "windows": 3} for name in names]
        provenance = manifest_fields()["provenance"] | {"data": data}
        return is_fitted_to(manifest_of(provenance=provenance), "ward.bed-3")

    assert fitted_to("other", "ward.bed-3")
    assert fitted_to("anchor/ward.bed-3.npz")
    assert fitted_to("/data/ward.bed-3.csv")
    assert not fitted_to("ward.bed-33", "ward.bed-3.old.npz")
