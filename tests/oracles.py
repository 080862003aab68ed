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


# Critical bands of Klatt 1982 as the MATLAB code lists them: centre and width in Hz.
BANDS = (
    *((50, 70), (120, 70), (190, 70), (260, 70), (330, 70), (400, 70), (470, 70)),
    *((540, 77.3724), (617.372, 86.0056), (703.378, 95.3398), (798.717, 105.411)),
    *((904.128, 116.256), (1020.38, 127.914), (1148.30, 140.423), (1288.72, 153.823)),
    *((1442.54, 168.154), (1610.70, 183.457), (1794.16, 199.776), (1993.93, 217.153)),
    *((2211.08, 235.631), (2446.71, 255.255), (2701.97, 276.072), (2978.04, 298.126)),
    *((3276.17, 321.465), (3597.63, 346.136)),
)


def band_energies(windowed, sample_rate):
    """Band by band and bin by bin, in dB."""
    size = 1
    while size < 2 * len(windowed):
        size *= 2
    power = np.abs(np.fft.fft(windowed, size)) ** 2
    energies = []
    for centre, width in BANDS:
        at = np.floor(centre / (sample_rate / 2) * (size // 2))
        spread = width / (sample_rate / 2) * (size // 2)
        total = 0.0
        for k in range(size // 2):
            gain = np.exp(-11 * ((k - at) / spread) ** 2 + np.log(BANDS[0][1] / width))
            total += power[k] * gain * (gain > np.exp(-30 / (2 * 2.303)))
        energies.append(10 * np.log10(max(total, 1e-10)))
    return energies


def wss(reference, estimate, sample_rate):
    values = []
    for k in range(num_frames(reference, sample_rate)):
        a, b = (
            band_energies(frame(signal, k, sample_rate), sample_rate)
            for signal in (reference, estimate)
        )
        total = weight_sum = 0.0
        for i in range(len(BANDS) - 1):
            weights = []
            for energy in (a, b):
                slope = np.diff(energy)
                highest = 20 / (20 + max(energy) - energy[i])
                weights.append(highest / (1 + local_peak(energy, slope, i) - energy[i]))
            weight = sum(weights) / 2
            total += weight * ((a[i + 1] - a[i]) - (b[i + 1] - b[i])) ** 2
            weight_sum += weight
        values.append(total / weight_sum)
    return np.mean(np.sort(values)[: round(0.95 * len(values))])


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
