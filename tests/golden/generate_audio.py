"""Golden values of audio features: librosa's, and NumPy's where librosa has other conventions."""

import librosa
import numpy as np

from golden_writer import Header

RATE = 8000
COUNT = 1200


def signal():
    """A rising tone, a steady one, and noise that any language can make."""
    t = np.arange(COUNT) / RATE
    state, noise = 1, []
    for _ in range(COUNT):
        state = (state * 1103515245 + 12345) % 2**31
        noise.append(state / 2**30 - 1)
    tone = 0.4 * np.sin(2 * np.pi * (300 * t + 2000 * t * t)) + 0.2 * np.sin(2 * np.pi * 1234 * t)
    return np.float32(tone + 0.05 * np.array(noise)).astype(np.float64)


def window(name, size):
    if name == "rectangular":
        return np.ones(size)
    a = {"hann": 0.5, "hamming": 0.54}[name]
    return a - (1 - a) * np.cos(2 * np.pi * np.arange(size) / size)


def spectrum(y, frame, hop, fft, power, kind="hann"):
    """Frames within the samples: (frames, bins)."""
    frames = 1 + (len(y) - frame) // hop
    rows = [y[t * hop:t * hop + frame] * window(kind, frame) for t in range(frames)]
    return np.abs(np.fft.rfft(rows, fft)) ** power


def mel_htk(y, frame, hop, fft, bands, fmin, fmax):
    """HTK's triangles written out: corners equally far apart in mel."""
    mel = lambda f: 2595 * np.log10(1 + f / 700)
    hertz = lambda m: 700 * (10 ** (m / 2595) - 1)
    corners = hertz(np.linspace(mel(fmin), mel(fmax), bands + 2))
    bins = np.arange(fft // 2 + 1) * RATE / fft
    weights = np.stack([
        np.maximum(0, np.minimum((bins - a) / (b - a), (c - bins) / (c - b)))
        for a, b, c in zip(corners, corners[1:], corners[2:])])
    theirs = librosa.filters.mel(sr=RATE, n_fft=fft, n_mels=bands, fmin=fmin, fmax=fmax, htk=True,
                                 norm=None, dtype=np.float64)
    assert np.allclose(weights, theirs, atol=1e-9)
    return spectrum(y, frame, hop, fft, 2) @ weights.T


def cosines(rows, count):
    """DCT-II, orthonormal."""
    bands = rows.shape[1]
    angle = np.pi * np.outer(np.arange(count), np.arange(bands) + 0.5) / bands
    table = np.cos(angle) * np.sqrt(2 / bands)
    table[0] /= np.sqrt(2)
    return rows @ table.T


def deltas(rows, width):
    half = (width - 1) // 2
    padded = np.pad(rows, ((half, half), (0, 0)), mode="edge")
    slope = sum(n * (padded[half + n:half + n + len(rows)] - padded[half - n:half - n + len(rows)])
                for n in range(1, half + 1))
    return slope / (2 * sum(n * n for n in range(1, half + 1)))


def emphasized(y, p):
    return np.concatenate([y[:1], y[1:] - np.float32(p) * y[:-1]])


def librosa_mel(y, **options):
    power = librosa.feature.melspectrogram(y=y, sr=RATE, dtype=np.float64, **options)
    return power.T


def main():
    y = signal()
    htk = librosa_mel(y, n_fft=256, win_length=200, hop_length=80, center=True,
                      pad_mode="constant", n_mels=20, htk=True, norm=None)
    slaney = librosa_mel(y, n_fft=480, win_length=240, hop_length=100, window="hamming",
                         center=True, pad_mode="reflect", n_mels=24, fmin=50, fmax=3500)
    mfcc = librosa.feature.mfcc(
        S=librosa.power_to_db(librosa_mel(y, n_fft=256, win_length=256, hop_length=128,
                                          pad_mode="constant", n_mels=32).T, top_db=80),
        n_mfcc=13).T
    speech = cosines(np.log(np.maximum(mel_htk(emphasized(y, 0.97), 200, 80, 256, 26, 20, 3800),
                                       1e-10)), 12)
    first = deltas(speech, 5)
    speech = np.concatenate([speech, first, deltas(first, 5)], axis=1)
    speech = (speech - speech.mean(0)) / speech.std(0)

    quiet = 0.001 * np.sin(np.arange(4000) * 0.3)
    quiet[1500:2700] += signal()
    trimmed = {}
    for decibels in (20, 60):
        _, ends = librosa.effects.trim(quiet, top_db=decibels, frame_length=200, hop_length=80)
        trimmed[decibels] = ends

    header = Header(
        "audio_golden.h",
        "Features of a recording of %d samples at %d a second" % (COUNT, RATE),
        f"librosa {librosa.__version__}, NumPy {np.__version__}",
        """
The recording holds two tones and noise. Arrays are (frame, column).
mel_htk: Hann 200 of 256, hop 80, zeros around, 20 bands of HTK, natural logarithm.
mel_slaney: Hamming 240 of 480, hop 100, mirrored edges, 24 bands of Slaney and of area 1
    from 50 to 3500 Hz, decibels, at most 60 below the largest.
mfcc: librosa's, Hann 256, hop 128, zeros around, 32 bands of Slaney and of area 1, 80 decibels,
    13 coefficients.
magnitudes: Hann 200 of 256, hop 80, no edges.
speech: pre-emphasis 0.97, Hann 200 of 256, hop 80, no edges, 26 bands of HTK from 20 to 3800 Hz,
    natural logarithm, 12 coefficients, two orders of deltas over 5 frames, standardized.
trim: where librosa.effects.trim cuts 0.001 sin(0.3 i), i < 4000, with the recording added from
    sample 1500 on, at 20 and 60 decibels with windows of 200 every 80: begin and end of each.
""",
    )
    header.array("golden_recording", y, ctype="float")
    header.array("golden_mel_htk", np.log(np.maximum(htk, 1e-10)), ctype="float")
    header.array("golden_mel_slaney", librosa.power_to_db(slaney, top_db=60), ctype="float")
    header.array("golden_mfcc", mfcc, ctype="float")
    header.array("golden_magnitudes", spectrum(y, 200, 80, 256, 1), ctype="float")
    header.array("golden_speech", speech, ctype="float")
    header.array("golden_trim", np.array([trimmed[20], trimmed[60]]), ctype="int")
    header.write()


main()
