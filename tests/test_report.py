"""What a report holds; tests/test_report_page.py opens it in a browser."""

import base64
import json
import pathlib
import tomllib
import weakref

import matplotlib.image
import numpy as np
import pytest
from conftest import REPOSITORY

from inr_jax import audio
from inr_jax.audio import loudness
from inr_jax.errors import InputError
from inr_jax.evaluation import tables
from inr_jax.evaluation.report import media
from inr_jax.evaluation.report import page as report

RATE = 16_000
SCORES = {key: 1.23456 for key, *_ in tables.SHOWN}
CONDITION = "white, 0 dB, seed 0"


def noise(level=0.1, seconds=0.5, seed=0):
    shape = (round(seconds * RATE), 1)
    return np.float32(level * np.random.default_rng(seed).uniform(-1, 1, shape))


def clip(name="x", **samples):
    takes = [report.Take("clean", noise(), {})]
    takes += [
        report.Take(m, x, SCORES) for m, x in (samples or {"noisy": noise()}).items()
    ]
    return report.ClipReport(name, CONDITION, RATE, takes)


def written(folder, *clips, table=()):
    report.write(folder, "A title", table, clips, "")
    text = (folder / "data.js").read_text()
    return json.loads(text.removeprefix("const REPORT = ").removesuffix(";\n"))


def test_sounds_are_the_samples_and_every_link_leads_somewhere(tmp_path):
    noisy = noise(0.5, seed=1)
    index = report.write(tmp_path / "new" / "report", "t", [], [clip(noisy=noisy)], "")
    assert index == tmp_path / "new" / "report" / "index.html"
    data = written(index.parent, clip(noisy=noisy))
    path = data["clips"][0]["takes"][1]["path"]
    heard = audio.read(index.parent / f"{path}.flac")
    np.testing.assert_allclose(heard.samples, noisy, atol=2**-15)
    assert (heard.sample_rate, heard.subtype) == (RATE, "PCM_16")
    picture = matplotlib.image.imread(index.parent / f"{path}.webp", format="webp")
    assert picture.shape[0] == 64 and 300 < picture.shape[1] <= 601
    page = index.read_text()
    names = {
        p.name
        for p in (
            REPOSITORY / "inr_jax" / "evaluation" / "report" / "report_page"
        ).iterdir()
    }
    assert all(f'"{name}"' in page for name in names - {"index.html"})
    assert {p.name for p in index.parent.iterdir()} == names | {"data.js", "sounds"}


def test_names_of_anyone_are_data_and_name_no_file(tmp_path):
    name = "../</script><script>alert(1)</script>\"'\n\u2028\udcff ü"
    data = written(tmp_path, clip(name, **{name: noise()}))
    assert data["clips"][0]["name"] == name
    assert data["clips"][0]["takes"][1]["method"] == name
    found = {p.name for p in (tmp_path / "sounds").iterdir()}
    assert found == {f"0000-0{i}.{end}" for i in (0, 1) for end in ("flac", "webp")}


def test_scores_and_table_without_nan(tmp_path):
    row = {"condition": CONDITION, "method": "noisy", "clips": np.int64(3).item()}
    row |= {"ssnr": np.float32(-4.5), "pesq": np.nan, "ssnr_low": 1, "ssnr_high": 2}
    bad = report.Take("bad", noise(), {**SCORES, "pesq": np.nan})
    made = clip()
    data = written(tmp_path, made._replace(takes=[*made.takes, bad]), table=[row])
    clean, noisy, bad = (take["scores"] for take in data["clips"][0]["takes"])
    assert clean == {} and noisy["ssnr"] == 1.2346
    assert bad["pesq"] is None and bad["stoi"] == 1.2346
    (found,) = data["table"]
    assert (found["ssnr"], found["pesq"], found["covl"]) == (-4.5, None, None)
    assert (found["ssnr_low"], found["ssnr_high"], found["clips"]) == (1, 2, 3)


def test_one_that_clips_takes_all_down_alike(tmp_path):
    data = written(tmp_path, clip(noisy=noise(2.0), other=noise(0.5)))
    assert "6.0 dB down" in data["clips"][0]["remarks"][0]
    peaks = [
        np.max(np.abs(audio.read(tmp_path / f"{take['path']}.flac").samples))
        for take in data["clips"][0]["takes"]
    ]
    np.testing.assert_allclose(peaks, [0.05, 1, 0.25], atol=2e-3)


def test_a_take_with_nan_does_not_cost_the_page(tmp_path):
    broken = noise()
    broken[10] = np.nan
    data = written(tmp_path, clip(noisy=broken))
    assert "noisy holds NaN" in data["clips"][0]["remarks"][0]


def test_gains_match_loudness_down_to_the_quietest():
    takes = [noise(level, 2) for level in (0.1, 0.4, 0.05, 0, 1e-3)]
    gains = media.matching_gains(takes[:4], RATE)
    levels = [
        loudness.integrated(gain * take, RATE)
        for gain, take in zip(gains, takes[:3], strict=False)
    ]
    np.testing.assert_allclose(levels, levels[2], atol=0.05)
    assert gains[2:] == [1, 1]
    assert media.matching_gains(takes, RATE) == [*gains, 1]
    assert media.matching_gains([np.zeros((9, 1))] * 2, RATE) == [1, 1]


def test_pictures_share_the_scale_of_the_clean_take(tmp_path):
    data = written(tmp_path, clip(noisy=noise(0.1), quiet=noise(0.001)))
    clean, same, quiet = (
        matplotlib.image.imread(tmp_path / f"{take['path']}.webp", format="webp").mean()
        for take in data["clips"][0]["takes"]
    )
    assert same == clean and quiet < 0.7 * clean


def test_waveforms_share_the_scale_of_the_loudest():
    half = base64.b64decode(media.waveform(noise(0.5, 2), 1.0))
    pairs = np.frombuffer(half, np.int8).reshape(-1, 2)
    assert pairs.shape == (300, 2)
    assert 60 <= pairs[:, 1].max() <= 64 and -64 <= pairs[:, 0].min() <= -60


@pytest.mark.parametrize("num_samples", [1, 100, 20_000])
@pytest.mark.parametrize("rate, channels", [(8000, 1), (48_000, 2)])
def test_any_shape_and_rate(tmp_path, num_samples, rate, channels):
    takes = [report.Take("noisy", np.full((num_samples, channels), 0.1), SCORES)]
    data = written(tmp_path, report.ClipReport("x", CONDITION, rate, takes))
    assert data["clips"][0]["seconds"] == pytest.approx(num_samples / rate, abs=1e-3)


def test_clips_stream_through(tmp_path):
    """When the next clip is asked for, the last is on disk, the others are freed."""
    alive = []

    def clips():
        for i in range(4):
            samples = noise(seed=i)
            alive.append(weakref.ref(samples))
            yield clip(noisy=samples)
            del samples
            assert [each() for each in alive[:-1]] == [None] * i
            assert len(list(tmp_path.glob(f".*.part/sounds/{i:04d}-*"))) == 4

    report.write(tmp_path / "report", "t", [], clips(), "")
    assert len(alive) == 4


def test_an_older_report_stays_until_the_new_one_is_whole(tmp_path):
    folder = tmp_path / "report"
    written(folder, clip("old"), clip("old"))
    unfinished = []

    def failing():
        yield clip("new")
        unfinished.extend(tmp_path.glob(".*.part"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        report.write(folder, "t", [], failing(), "")
    assert '"old"' in (folder / "data.js").read_text()
    assert list(tmp_path.iterdir()) == [folder]
    (left,) = unfinished
    left.mkdir()
    (left / "left by a kill").touch()
    data = written(folder, clip("new"))
    assert [each["name"] for each in data["clips"]] == ["new"]
    assert len(list((folder / "sounds").iterdir())) == 4
    assert list(tmp_path.iterdir()) == [folder]


def test_nothing_but_a_report_is_replaced(tmp_path):
    (tmp_path / "data.js").write_text("let mine = 1;")
    with pytest.raises(InputError, match="holds no report"):
        report.write(tmp_path, "t", [], [clip()], "")
    assert [p.name for p in tmp_path.iterdir()] == ["data.js"]


def test_takes_of_one_clip_have_one_shape(tmp_path):
    with pytest.raises(ValueError, match="takes differ in shape"):
        report.write(tmp_path / "r", "t", [], [clip(noisy=noise(seconds=1))], "")


def test_the_page_travels_in_the_wheel():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"][
        "inr_jax.evaluation.report"
    ]
    package = pathlib.Path(report.__file__).parent
    carried = {path for pattern in patterns for path in package.glob(pattern)}
    assert set((package / "report_page").iterdir()) <= carried
