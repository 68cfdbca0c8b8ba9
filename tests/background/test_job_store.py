"""Jobs are real processes: they end, are stopped, are killed, and are found again."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from nsdviewer.background import JobStage, JobStore, JobView
from nsdviewer.background.locks import take
from nsdviewer.background.records import LOCK_FILE, PROCESS_FILE, RECORD_FILE
from nsdviewer.cli import main
from nsdviewer.errors import DataError, NsdViewerError, RequestError

# Ends at once: there is no such folder.
QUICK = ("verify", "/no such folder")


def wait(store: JobStore, job_id: str, until_s: float = 120.0) -> JobView:
    """Return the job once it runs no more."""
    return wait_for(store, job_id, lambda view: view.stage is not JobStage.RUNNING, until_s)


def wait_for(store: JobStore, job_id: str, holds, until_s: float = 120.0) -> JobView:
    end = time.monotonic() + until_s
    while not holds(view := store.job(job_id)):
        assert time.monotonic() < end, view
        time.sleep(0.05)
    return view


def process_of(store: JobStore, job_id: str) -> int:
    """Return the number of the job's process, once it has told it."""
    path = store.job(job_id).record.folder / PROCESS_FILE
    wait_for(store, job_id, lambda _: "pid" in json.loads(path.read_text()), 30)
    return int(json.loads(path.read_text())["pid"])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    made = JobStore(tmp_path / "state" / "jobs")
    yield made
    for view in made.jobs() if made.folder.is_dir() else ():
        if view.stage is JobStage.RUNNING:
            made.cancel(view.id, at_once=True)
            wait(made, view.id, 20)


def working(store: JobStore, job_id: str) -> JobView:
    """Return a job that runs once it has told how far it is."""
    return wait_for(store, job_id, lambda v: v.stage is not JobStage.RUNNING or v.message)


def by_hand(store: JobStore, name: str, record: str) -> Path:
    folder = store.folder / f"20260101-000000-{name}"
    folder.mkdir(parents=True)
    (folder / RECORD_FILE).write_text(record)
    return folder


def record_of(*command: object) -> str:
    values = {"format": "nsdviewer-job", "title": "by hand", "command": command, "created": 1.0}
    return json.dumps(values)


# --- what becomes of a job ----------------------------------------------------------------------


def test_a_fit_writes_what_the_command_writes_in_the_foreground(store, mini_root, tmp_path):
    words = ("fit", "decoder", str(mini_root), "--subject", "1", "--seed", "3", "--out")
    job = store.start("fit", (*words, "job.safetensors"), tmp_path)
    assert main([*words, str(tmp_path / "here.safetensors")]) == 0
    view = wait(store, job.id)
    assert (view.stage, view.exit_status, view.fraction) == (JobStage.DONE, 0, 1.0), view
    job_bytes = (tmp_path / "job.safetensors").read_bytes()
    assert job_bytes == (tmp_path / "here.safetensors").read_bytes()
    assert "test_cosine" in store.log(job.id)
    with pytest.raises(RequestError, match="is done"):
        store.resume(job.id)


def test_a_failure_is_the_commands_own_sentence(store):
    usage = store.start("usage", ("fit", "nothing"))
    gone = store.start("gone", ("a-command-of-long-ago", "x"))
    data = store.start("data", QUICK)
    view = wait(store, data.id)
    assert view.stage is JobStage.FAILED and view.exit_status == 1
    assert view.fault.startswith("There is no folder /no such folder")
    assert view.fault in store.log(data.id)
    assert "invalid choice: 'nothing'" in wait(store, usage.id).fault
    assert "a-command-of-long-ago" in wait(store, gone.id).fault


def test_killed_resumed_cancelled_resumed_done(store, mini_root):
    job = store.start("verify", ("verify", str(mini_root)))
    assert working(store, job.id).stage is JobStage.RUNNING
    os.kill(process_of(store, job.id), 9)
    view = wait(store, job.id, 10)
    assert view.stage is JobStage.INTERRUPTED and view.message
    assert JobStore(store.folder).job(job.id).stage is JobStage.INTERRUPTED
    store.resume(job.id)
    assert working(store, job.id).stage is JobStage.RUNNING
    store.cancel(job.id)
    view = wait(store, job.id, 30)
    assert (view.stage, view.exit_status, view.fault) == (JobStage.CANCELLED, 130, "")
    store.resume(job.id)
    view = wait(store, job.id)
    assert (view.stage, view.fraction) == (JobStage.DONE, 1.0)
    log = store.log(job.id)
    assert log.count("$ nsdviewer verify") == 3 and log.count("Nothing is damaged") == 1


@pytest.mark.slow
def test_what_is_cancelled_leaves_no_half_files(store, tmp_path):
    place = tmp_path / "out put ü"
    place.mkdir()
    job = store.start("simulate", ("simulate", "sim", "--preset", "demo"), place)
    assert working(store, job.id).fraction > 0 and list(place.iterdir())
    store.cancel(job.id)
    assert wait(store, job.id, 60).stage is JobStage.CANCELLED
    assert list(place.iterdir()) == []


def test_a_job_outlives_who_started_it_and_is_found_again(store, mini_root):
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom nsdviewer.background import JobStore\n"
        "job = JobStore(Path(sys.argv[1])).start('mine', ('verify', sys.argv[2]))\n"
        "print(job.id, flush=True)\nos.kill(os.getpid(), 9)\n"
    )
    words = [sys.executable, "-c", script, str(store.folder), str(mini_root)]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    assert told.returncode == -9
    found = store.jobs()
    assert [(v.id, v.record.title) for v in found] == [(told.stdout.strip(), "mine")]
    view = working(store, found[0].id)
    assert view.stage is JobStage.RUNNING and view.message.startswith("checking")
    number = process_of(store, view.id)
    store.cancel(view.id, at_once=True)
    assert wait(store, view.id, 10).stage is JobStage.CANCELLED
    assert not psutil.pid_exists(number) or psutil.Process(number).status() == "zombie"


def test_of_two_who_press_resume_one_resumes(store, tmp_path):
    folder = by_hand(store, "000001", record_of("simulate", str(tmp_path / "sim")))
    stores = (store, JobStore(store.folder))
    together = threading.Barrier(2)
    answers: list[object] = []

    def press(one: JobStore) -> None:
        together.wait()
        try:
            answers.append(one.resume(folder.name))
        except RequestError as error:
            answers.append(str(error))

    threads = [threading.Thread(target=press, args=(one,)) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [a for a in answers if isinstance(a, str)]
    assert len(refused) == 1 and "runs already" in refused[0], answers
    # And nothing else may write there meanwhile, however the place is called.
    with pytest.raises(RequestError, match="writing the same"):
        store.start("other", ("simulate", "./sim", "--seed", "2"), tmp_path)
    with pytest.raises(RequestError, match="cancel it first"):
        store.remove(folder.name)


# --- what people, disks and other programs do to the files ---------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        "",
        '{"format": "nsdviewer-job", "title": "cut o',
        "[1, 2]",
        record_of(),
        record_of("simulate", 3),
        record_of("job-run", "/somewhere"),
        record_of("/bin/sh", "-c", "touch pwned"),
        record_of("--version"),
        record_of("simulate", "a\0b"),
        json.dumps({"format": "something else", "title": "x", "command": ["verify", "x"]}),
        "[" * 100_000,
        " " * (2 << 20),
    ],
)  # fmt: skip
def test_a_damaged_record_is_shown_never_run_and_can_be_removed(store, record):
    folder = by_hand(store, "0000aa", record)
    (view,) = store.jobs()
    assert view.stage is JobStage.FAILED and not view.can_resume and view.record.command == ()
    assert folder.name in view.fault
    with pytest.raises(DataError, match="damaged"):
        store.resume(folder.name)
    store.remove(folder.name)
    assert store.jobs() == () and not folder.exists()


def test_a_command_is_words_never_a_line_for_a_shell(store, tmp_path):
    job = store.start("odd", ("verify", f"$(touch {tmp_path}/pwned); `id` 'x y'"), tmp_path)
    assert "$(touch" in wait(store, job.id).fault and not (tmp_path / "pwned").exists()
    for words in ((), ("rm -rf",), ("job-run", "x"), ("-c",), ("verify", 1)):
        with pytest.raises(DataError):
            store.start("odd", words, tmp_path)


def test_a_number_that_another_process_has_by_now_is_left_alone(store):
    folder = by_hand(store, "0000bb", record_of(*QUICK))
    told = {"pid": os.getpid(), "process_began": psutil.Process().create_time() - 100, "began": 1.0}
    (folder / PROCESS_FILE).write_text(json.dumps(told))
    assert store.job(folder.name).stage is JobStage.INTERRUPTED
    held = take(folder / LOCK_FILE)
    assert held is not None
    with held:
        assert store.job(folder.name).stage is JobStage.RUNNING
        store.cancel(folder.name, at_once=True)  # would end this very process
        with pytest.raises(RequestError, match="runs already"):
            store.resume(folder.name)
    assert store.job(folder.name).stage is JobStage.CANCELLED


def test_a_job_on_another_machine_is_not_cancelled_from_here(store):
    folder = by_hand(store, "0000cc", record_of(*QUICK))
    (folder / PROCESS_FILE).write_text(json.dumps({"pid": 1, "host": "elsewhere"}))
    held = take(folder / LOCK_FILE)
    assert held is not None
    with held, pytest.raises(RequestError, match="elsewhere"):
        store.cancel(folder.name)


def test_a_folder_that_is_removed_while_its_job_runs_does_not_come_back(store):
    job = store.start("short", QUICK)
    shutil.rmtree(job.folder)
    end = time.monotonic() + 20
    while store._children and time.monotonic() < end:
        assert store.jobs() == ()
        time.sleep(0.05)
    assert not store._children and not job.folder.exists()
    with pytest.raises(RequestError, match="no job"):
        store.resume(job.id)


def test_a_store_that_cannot_be_written_says_where(tmp_path):
    (tmp_path / "file").write_text("in the way")
    store = JobStore(tmp_path / "file" / "jobs")
    with pytest.raises(DataError, match=str(tmp_path / "file")):
        store.start("job", QUICK)


def test_what_could_not_begin_is_no_job(tmp_path):
    store = JobStore(tmp_path / "jobs", program=(str(tmp_path / "no such program"),))
    with pytest.raises(DataError):
        store.start("job", QUICK)
    assert store.jobs() == ()


def test_no_name_leads_out_of_the_store(store, tmp_path):
    (tmp_path / "state" / "jobs").mkdir(parents=True)
    (tmp_path / "precious").mkdir()
    for name in ("../../precious", "..", ".", "", "20260101-000000-00000g"):
        for act in (store.remove, store.resume, store.cancel, store.log):
            with pytest.raises(RequestError):
                act(name)
    linked = store.folder / "20260101-000000-0000dd"
    linked.symlink_to(tmp_path / "precious")
    with pytest.raises(NsdViewerError):
        store.remove(linked.name)
    assert (tmp_path / "precious").is_dir()


# --- a training ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_training_that_is_resumed_ends_with_the_same_bits(store, mini_root, tmp_path):
    words = ("fit", "decoder", str(mini_root), "--subject", "1", "--model", "residual")
    words = (*words, "--epochs", "12", "--out")
    copy = tmp_path / "copy"
    shutil.copytree(mini_root, copy)
    whole = store.start(
        "whole", (words[0], words[1], str(copy), *words[3:], "a.safetensors"), tmp_path
    )
    assert wait(store, whole.id, 400).stage is JobStage.DONE
    job = store.start("killed", (*words, "b.safetensors"), tmp_path)
    # Epochs of this small subject go by between two looks.
    begun = re.compile(r"epoch ([2-9]|1\d)")
    view = wait_for(
        store, job.id, lambda v: v.stage is not JobStage.RUNNING or begun.search(v.message), 400
    )
    assert view.stage is JobStage.RUNNING
    assert view.run_folder is not None and view.run_folder.is_dir()
    os.kill(process_of(store, job.id), 9)
    assert wait(store, job.id).stage is JobStage.INTERRUPTED
    time.sleep(3)  # until the process that trains has noticed
    store.resume(job.id)
    assert wait(store, job.id, 400).stage is JobStage.DONE
    one, other = (tmp_path / f"{name}.safetensors" for name in "ab")
    assert tensors_of(one) == tensors_of(other)


def tensors_of(path: Path) -> dict[str, bytes]:
    from safetensors.numpy import load_file

    return {name: array.tobytes() for name, array in load_file(path).items()}
