import os
import subprocess
import sys
import time

import numpy as np
import pytest

from inr_jax import audio, metrics
from inr_jax.data import noise
from inr_jax.metrics import pool as scoring


def job(reference, estimate, rate=16_000):
    return scoring.Job("x", "siren", 0, reference, estimate, rate)


def test_a_row_holds_every_metric_of_the_clip(speech):
    noisy = noise.add_white(speech, 0)
    row = scoring.score(job(speech[:, None], noisy[:, None]))
    expected = metrics.all_metrics(speech, noisy, 16_000)
    assert set(row) == set(scoring.COLUMNS)
    for name in scoring.METRICS:
        assert row[name] == pytest.approx(expected[name], abs=1e-6)
    assert row["nan_reasons"] == ""


def test_other_rates_are_scored_at_16_khz(speech):
    noisy = noise.add_white(speech, 0, snr_db=10)
    low = scoring.score(job(speech[:, None], noisy[:, None]))
    up = [audio.resample(x, 16_000, 48_000)[:, None] for x in (speech, noisy)]
    high = scoring.score(job(*up, rate=48_000))
    assert high["pesq"] == pytest.approx(low["pesq"], abs=0.02)
    assert high["stoi"] == pytest.approx(low["stoi"], abs=1e-3)


def test_channels_are_averaged(speech):
    one, two = (
        noise.add_white(speech, seed, snr_db=s) for seed, s in ((0, 0), (1, 20))
    )
    both = scoring.score(job(np.c_[speech, speech], np.c_[one, two]))
    single = [scoring.score(job(speech[:, None], y[:, None])) for y in (one, two)]
    assert both["ssnr"] == pytest.approx(np.mean([r["ssnr"] for r in single]), abs=1e-5)


def test_reasons_are_kept():
    row = scoring.score(job(np.ones((100, 1)), np.zeros((100, 1))))
    assert np.isnan(row["pesq"]) and "pesq: estimate is silent" in row["nan_reasons"]


def test_shapes_that_differ_say_both():
    with pytest.raises(ValueError, match=r"\(100, 1\) .* \(99, 1\)"):
        scoring.score(job(np.ones((100, 1)), np.ones((99, 1))))


@pytest.mark.slow
def test_workers_give_the_same_rows_in_order(speech):
    jobs = [job(speech[:, None], noise.add_white(speech, s)[:, None]) for s in range(3)]
    with scoring.ScorePool() as pool:
        assert pool.score(jobs) == [scoring.score(j) for j in jobs]


def test_workers_do_not_load_jax():
    code = "import sys, inr_jax.metrics.pool; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks into /proc")
def test_workers_end_when_their_parent_is_killed():
    code = (
        "import multiprocessing, numpy as np, os, signal\n"
        "from inr_jax.metrics.pool import Job, ScorePool\n"
        "if __name__ == '__main__':\n"
        "    sound = np.ones((1600, 1))\n"
        "    pool = ScorePool()\n"
        "    job = Job('a', 'b', 0, sound, sound, 16000, ('si_sdr',))\n"
        "    pool.submit(job).result()\n"
        "    workers = multiprocessing.active_children()\n"
        "    print(*(worker.pid for worker in workers), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    workers = [int(pid) for pid in done.stdout.split()]
    assert done.returncode == -9 and workers
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # a child that nobody has waited for is no longer at work
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"
