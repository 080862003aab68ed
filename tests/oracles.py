"""Slow and plain versions of what the library computes fast, in float64."""

import numpy as np
from scipy import linalg


def frame(signal, k, sample_rate):
    length = int(0.03 * sample_rate)
    n = np.arange(1, length + 1)
    start = k * (length // 4)
    window = 0.5 * (1 - np.cos(2 * np.pi * n / (length + 1)))
    return signal[start : start + length] * window


def num_frames(signal, sample_rate):
    return int(len(signal) / (int(0.03 * sample_rate) // 4) - 4)


def ssnr(reference, estimate, sample_rate):
    values = []
    for k in range(num_frames(reference, sample_rate)):
        s = frame(reference, k, sample_rate)
        e = s - frame(estimate, k, sample_rate)
        values.append(10 * np.log10(np.sum(s**2) / np.sum(e**2)))
    return np.mean(np.clip(values, -10, 35))


def llr(reference, estimate, sample_rate, order=16):
    """Prediction filters by solving the normal equations."""
    values = []
    for k in range(num_frames(reference, sample_rate)):
        filters, lags = [], []
        for signal in (reference, estimate):
            x = frame(signal, k, sample_rate)
            r = np.correlate(x, x, "full")[len(x) - 1 :][: order + 1]
            filters.append(np.r_[1, -linalg.solve_toeplitz(r[:-1], r[1:])])
            lags.append(r)
        matrix = linalg.toeplitz(lags[0])
        clean, found = (a @ matrix @ a for a in filters)
        values.append(np.log(found / clean))
    return np.mean(np.sort(values)[: round(0.95 * len(values))])


def local_peak(energy, slope, i):
    """Walks band by band, as the MATLAB code does."""
    n = i
    if slope[i] > 0:
        while n < len(slope) and slope[n] > 0:
            n += 1
        return energy[n - 1]
    while n >= 0 and slope[n] <= 0:
        n -= 1
    return energy[n + 1]


def stft_magnitudes(signal, window, hop):
    """Frame by frame, mirrored ends."""
    padded = np.pad(signal, window // 2, mode="reflect")
    hann = 0.5 * (1 - np.cos(2 * np.pi * np.arange(window) / window))
    count = 1 + len(signal) // hop
    return np.stack(
        [
            np.abs(np.fft.rfft(padded[k * hop : k * hop + window] * hann))
            for k in range(count)
        ]
    )


def siren(params, t, first_omega, hidden_omega):
    x, omega = np.float64(t)[:, None], first_omega
    for layer in params[:-1]:
        x = np.sin(
            omega * (x @ np.float64(layer["kernel"]) + np.float64(layer["bias"]))
        )
        omega = hidden_omega
    return (x @ np.float64(params[-1]["kernel"]) + np.float64(params[-1]["bias"]))[:, 0]
