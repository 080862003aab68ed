import csv

import numpy as np
import oracles
import pytest
import soundfile
from scipy import signal as scipy_signal

from inr_jax import metrics
from inr_jax.data import noise
from inr_jax.metrics import perceptual, segmental
from inr_jax.metrics.composite import composite
from inr_jax.metrics.value import Value

RATE = 16_000
GOLDEN = {
    "pesq": "pesq_wb",
    "ssnr": "ssnr",
    "llr": "llr_composite",
    "wss": "wss",
    "csig": "csig",
    "cbak": "cbak",
    "covl": "covl",
    "stoi": "stoi",
    "estoi": "estoi",
}
FOLDERS = {
    "noisy": "noisy",
    "dnp": "dnp_published",
    "log_mmse": "log_mmse_published",
}


def random(num_samples, seed=0):
    return np.random.default_rng(seed).standard_normal(num_samples)


@pytest.mark.slow
def test_golden_scores(recordings):
    """17 VoiceBank-DEMAND clips x 3 systems, scores checked against MATLAB's."""
    with open(recordings / "reference" / "golden_metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 51
    audio = recordings / "data" / "voicebank17"
    for row in rows:
        (clean,) = (audio / "clean").glob(f"{row['clip']}*")
        (found,) = (audio / FOLDERS[row["system"]]).glob(f"{row['clip']}*")
        n = int(row["n_samples"])
        clean, found = (soundfile.read(path)[0][:n] for path in (clean, found))
        scores = metrics.all_metrics(clean, found, RATE)
        for name, column in GOLDEN.items():
            assert scores[name] == pytest.approx(float(row[column]), rel=1e-3), row
        assert scores["si_sdr"] == pytest.approx(float(row["sisdr"]), abs=1e-4)
        assert scores["lag"] == 0


def test_published_noisy_row(recordings):
    """Clip 8238-274553-0062 in white noise at 0 dB, mean of 4 seeds."""
    path = recordings / "data" / "seed_clips" / "8238-274553-0062.clean.flac"
    clean, rate = soundfile.read(path)
    scores = [
        metrics.all_metrics(clean, noise.add_white(clean, seed, snr_db=0), rate)
        for seed in range(4)
    ]
    mean = {name: np.mean([s[name] for s in scores]) for name in scores[0]}
    assert mean["ssnr"] == pytest.approx(-3.74, abs=0.03)
    assert mean["stoi"] == pytest.approx(0.822, abs=0.003)
    assert mean["pesq"] == pytest.approx(1.024, abs=0.002)
    assert mean["cbak"] == pytest.approx(1.560, abs=0.01)
    assert mean["csig"] == mean["covl"] == 1


def test_identical_signals(speech):
    scores = metrics.all_metrics(speech, speech, RATE)
    assert scores["pesq"] == pytest.approx(4.644, abs=1e-3)
    assert scores["llr"] == pytest.approx(0, abs=1e-9)
    assert scores["wss"] == 0
    assert scores["stoi"] == pytest.approx(1)
    assert scores["csig"] == scores["cbak"] == scores["covl"] == 5
    assert scores["csig_raw"] == pytest.approx(5.89, abs=0.01)
    assert scores["cbak_raw"] == pytest.approx(6.06, abs=0.01)
    assert scores["si_sdr"] == np.inf
    assert scores["gain"] == pytest.approx(1) and scores["lag"] == 0


def test_identical_noise_has_the_highest_ssnr():
    assert metrics.ssnr(random(9000), random(9000), RATE) == 35


def test_composites_weigh_their_parts():
    """By the weights of the field's MATLAB code."""
    parts = {"pesq": 2.5, "llr": 0.7, "wss": 40.0, "ssnr": 6.0}
    found = composite({name: Value(value) for name, value in parts.items()})
    expected = {
        "csig": 3.093 + 0.603 * 2.5 - 1.029 * 0.7 - 0.009 * 40,
        "cbak": 1.634 + 0.478 * 2.5 - 0.007 * 40 + 0.063 * 6,
        "covl": 1.594 + 0.805 * 2.5 - 0.512 * 0.7 - 0.007 * 40,
    }
    for name, value in expected.items():
        assert found[name] == found[f"{name}_raw"] == pytest.approx(value)


def test_a_zero_estimate_has_ssnr_zero():
    assert metrics.ssnr(random(9000), np.zeros(9000), RATE) == pytest.approx(0)


@pytest.mark.parametrize("rate", [8000, 16_000])
@pytest.mark.parametrize("seed", range(3))
def test_ssnr_equals_the_plain_loop(seed, rate):
    x = random(6000, seed) * np.linspace(0, 1, 6000)
    y = x + 0.3 * random(6000, seed + 10)
    expected = oracles.ssnr(x, y, rate)
    assert metrics.ssnr(x, y, rate) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_llr_equals_solving_the_normal_equations(seed):
    x = scipy_signal.lfilter([1], [1, -0.9], random(6000, seed))
    y = x + 0.5 * random(6000, seed + 10)
    expected = oracles.llr(x, y, RATE)
    assert metrics.llr(x, y, RATE) == pytest.approx(expected, rel=1e-6)


def test_local_peaks_equal_the_walk():
    energy = random(200 * 25).reshape(200, 25)
    slope = np.diff(energy, axis=1)
    found = segmental.local_peaks(energy, slope)
    for k in range(200):
        expected = [oracles.local_peak(energy[k], slope[k], i) for i in range(24)]
        np.testing.assert_array_equal(found[k], expected)


def test_wss_equals_the_plain_formula():
    x, y = random(2000), random(2000) + 0.3 * random(2000, 2)
    found, expected = metrics.wss(x, y, RATE), oracles.wss(x, y, RATE)
    assert found == pytest.approx(expected, rel=1e-9) and found > 1


def test_wss_hears_nothing_above_4_khz():
    x = random(8000)
    high = scipy_signal.sosfilt(
        scipy_signal.butter(12, 5000, "high", fs=RATE, output="sos"), random(8000, 1)
    )
    assert (
        metrics.wss(x, x + high, RATE) < 0.1 < metrics.wss(x, x + random(8000, 2), RATE)
    )


def test_names_of_the_arguments_matter():
    x = random(8000)
    y = 0.1 * x + 0.01 * random(8000, 1)
    assert abs(metrics.ssnr(x, y, RATE) - metrics.ssnr(y, x, RATE)) > 5


def test_si_sdr_closed_form_and_invariance():
    """Noise orthogonal to the reference at a tenth of its power: 10 dB at any gain."""
    n = np.arange(1600)
    x, e = np.sin(2 * np.pi * n / 16), np.cos(2 * np.pi * n / 16)
    for gain in (1, -3, 1e-3):
        y = gain * (x + 0.1**0.5 * e)
        assert metrics.si_sdr(x, y, RATE) == pytest.approx(10)
        assert metrics.gain(x, y, RATE) == pytest.approx(gain)
    assert metrics.snr(x, x + 0.1**0.5 * e, RATE) == pytest.approx(10)


@pytest.mark.parametrize("delay", [-37, -1, 0, 1, 500])
def test_lag_finds_a_delay(delay):
    x = random(4000)
    y = np.roll(x, delay)
    assert metrics.lag(x, 0.2 * y, RATE) == delay


def test_over_attenuation_counts_speech_that_is_gone_not_noise_that_is_there():
    speech = random(32_000)
    speech[16_000:] *= 1e-3  # a pause
    cut = speech.copy()
    cut[:4000] *= 10 ** (-13 / 20)  # a quarter of the speech
    cut[4000:8000] *= 10 ** (-11 / 20)
    for noise_level in (0, 0.05):
        estimate = cut + noise_level * random(32_000, 1)
        share = metrics.over_attenuation(speech, estimate, RATE)
        assert share == pytest.approx(0.25, abs=0.02)
    assert metrics.over_attenuation(speech, speech, RATE) == 0
    assert metrics.over_attenuation(speech, 0 * speech, RATE) == 1


def test_gain_does_not_move_pesq_stoi_and_si_sdr(speech):
    noisy = noise.add_white(speech, 0, snr_db=5)
    loud, quiet = (metrics.all_metrics(speech, g * noisy, RATE) for g in (1, 0.01))
    for name in ("pesq", "stoi", "estoi", "si_sdr"):
        assert quiet[name] == pytest.approx(loud[name], abs=2e-3)
    assert quiet["ssnr"] > loud["ssnr"]  # it rewards silence


@pytest.mark.parametrize(
    "function",
    [
        metrics.ssnr,
        metrics.llr,
        metrics.wss,
        metrics.pesq,
        metrics.stoi,
        metrics.si_sdr,
    ],
)
def test_lengths_that_differ_are_an_error_that_says_both(function):
    with pytest.raises(ValueError, match="100 .* 99 "):
        function(np.ones(100), np.ones(99), RATE)


def test_two_dimensions_are_an_error():
    with pytest.raises(ValueError, match=r"\(9, 2\)"):
        metrics.ssnr(np.ones((9, 2)), np.ones((9, 2)), RATE)


SILENT, SHORT, BROKEN = np.zeros(16_000), random(100), np.full(16_000, np.nan)


@pytest.mark.parametrize(
    "reference, estimate, reason",
    [
        (SILENT, random(16_000), "reference is silent"),
        (random(16_000), SILENT, "estimate is silent"),
        (random(16_000), BROKEN, "estimate holds NaN"),
        (BROKEN, SILENT, "reference holds NaN"),
        (SHORT, SHORT + 1, "too short"),
        (np.zeros(0), np.zeros(0), ""),
    ],
)
def test_what_cannot_be_computed_is_nan_with_its_reason(reference, estimate, reason):
    scores = metrics.all_metrics(reference, estimate, RATE)
    for name in ("pesq", "stoi", "csig", "cbak", "covl", "covl_raw"):
        assert np.isnan(scores[name]) and scores[name].reason
    assert reason in scores["pesq"].reason
    for value in scores.values():
        assert np.isnan(value) == bool(value.reason)


def test_rates_that_pesq_does_not_know():
    x = random(44_100)
    assert "44100" in metrics.pesq(x, x, 44_100).reason
    assert "8000" in metrics.pesq(x, x, 8000).reason
    assert metrics.pesq(x, x, 8000, band="nb") == pytest.approx(4.549, abs=1e-2)


def test_inputs_are_left_alone(speech):
    reference, estimate = speech.copy(), 0.5 * speech
    before = estimate.copy()
    metrics.all_metrics(reference, estimate, RATE)
    np.testing.assert_array_equal(reference, speech)
    np.testing.assert_array_equal(estimate, before)


def test_estoi_is_the_same_again_where_pystoi_draws(speech):
    """In digital silence the noise that pystoi adds is all that it compares."""
    estimate = speech.copy()
    estimate[len(speech) // 2 :] = 0
    np.random.seed(1)
    first, drawn = metrics.estoi(speech, estimate, RATE), np.random.random()
    assert first == metrics.estoi(speech, estimate, RATE)
    np.random.seed(1)
    assert drawn == np.random.random()


def test_pesq_refuses_more_utterances_than_it_has_room_for(speech):
    """With more than 50 the package ends the process, or writes where it should not."""
    burst = np.r_[np.random.default_rng(0).standard_normal(8000), np.zeros(9600)]
    for count in (20, 60):
        found = perceptual._num_utterances(np.tile(burst, count), 16_000)
        assert found == count
    for reference in (np.tile(burst, 60), np.tile(burst, 60) + 10):
        found = metrics.pesq(reference, 0.9 * reference, 16_000)
        assert (
            "too many utterances for PESQ, which is made for 8 to 30 s" in found.reason
        )
    assert perceptual._num_stretches(np.zeros(9, bool)) == 0  # all frames are alike
    long = np.tile(speech, 12)
    assert perceptual._num_utterances(long, 16_000) < 30
