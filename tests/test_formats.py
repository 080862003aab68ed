"""Files of every kind: what goes in comes out, whatever the header claims."""

import fractions
import io
import struct
import sys

import av
import numpy as np
import pytest
import soundfile

from inr_jax import audio
from inr_jax.audio import containers, edits, endings, ffmpeg, formats, video
from inr_jax.enhancement import files, registry
from inr_jax.errors import InputError

COUNT = 12_345
ID3 = b"ID3\x03\x00\x00\x00\x00\x07\x76" + bytes(1014)


def voice(count=COUNT, rate=16_000, channels=1):
    """Harmonics in syllables, a little noise; each channel at a level of its own."""
    times = np.arange(count) / rate
    phase = 2 * np.pi * np.cumsum(180 + 25 * np.sin(4 * times)) / rate
    tones = sum(np.sin(k * phase) / k**1.2 for k in range(1, 16) if k * 205 < rate / 2)
    envelope = np.clip(np.sin(2 * np.pi * 2.3 * times + 0.5), 0, 1) ** 0.5
    noise = np.random.default_rng(0).standard_normal(count)
    mono = 0.12 * tones * envelope + 0.003 * noise
    return np.float32(mono[:, None] * np.linspace(1, 0.5, channels))


def by_libsndfile(form, subtype, rate=16_000, channels=1, count=COUNT, **settings):
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", rate, channels, subtype, format=form, **settings
    ) as sound:
        sound.write(voice(count, rate, channels))
    return file.getvalue()


def by_ffmpeg(
    path,
    container,
    codec,
    rate=16_000,
    channels=1,
    pictures=None,
    tracks=1,
    start_s=0.0,
):
    """Writes sound, pictures and subtitles as FFmpeg does by itself."""
    with av.open(str(path), "w", container) as output:
        video = pictures and output.add_stream(pictures, rate=25)
        if pictures:
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sounds = [output.add_stream(codec, rate=rate) for _ in range(tracks)]
        packets = []
        for i, stream in enumerate(sounds):
            stream.layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
            known = [f.name for f in stream.codec_context.codec.audio_formats]
            stream.format = next(f for f in ("s16", "s16p", "fltp") if f in known)
            stream.bit_rate = 12_200 if "amr" in codec else 64_000 * channels
            stream.metadata["language"] = ("eng", "deu")[i]
            samples = voice(rate=rate, channels=channels) * (1 - 0.4 * i)
            samples = ffmpeg.quantised(samples, stream.format.name)
            planar = stream.format.name.endswith("p")
            samples = samples.T if planar else samples.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples), stream.format.name, stream.layout.name
            )
            frame.sample_rate, frame.pts = rate, round(start_s * rate)
            frame.time_base = fractions.Fraction(1, rate)
            packets += [*stream.encode(frame), *stream.encode(None)]
        if pictures:
            noise = np.random.default_rng(0)
            for i in range(12):
                picture = noise.integers(0, 255, (48, 64, 3), np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = i
                packets += video.encode(frame)
            packets += video.encode(None)
        output.metadata["title"] = "Interview 7"
        output.mux(packets)
    return path


def denoise(source, target, method="noisy", output_format=None):
    """What became of the file, and its remark."""
    (job,), _ = files.jobs([str(source)], str(target), None, output_format)
    (outcome,) = files.denoise(
        registry.make(method), [job], {}, files.DryWetMix(), on_files=lambda share: None
    )
    return outcome


def lag(before, after):
    size = 2 * max(len(before), len(after))
    spectra = (np.fft.rfft(x[:, 0], size) for x in (after, before))
    found = np.fft.irfft(np.multiply(*(f(x) for f, x in zip(
        (lambda x: x, np.conj), spectra, strict=True))), size)  # fmt: skip
    at = int(np.argmax(found))
    return at - size if at > size // 2 else at


def assert_same_sound(before, after):
    assert after.samples.shape == before.samples.shape
    assert after.sample_rate == before.sample_rate
    # a coder of speech moves phases
    assert abs(lag(before.samples, after.samples)) <= 10 * (after.subtype == "AMR_NB")
    levels = [np.sqrt(np.mean(x.samples**2, axis=0)) for x in (before, after)]
    loose = after.subtype in ("AMR_NB", "ULAW", "IMA_ADPCM")
    np.testing.assert_allclose(levels[1], levels[0], rtol=0.12 if loose else 0.04)


LIBSNDFILE = [
    ("wav", "WAV", "PCM_U8", 8000, 1),
    ("wav", "WAV", "PCM_16", 44_100, 2),
    ("wav", "WAV", "PCM_24", 48_000, 6),
    ("wav", "WAV", "PCM_32", 96_000, 1),
    ("wav", "WAV", "FLOAT", 16_000, 1),
    ("wav", "WAV", "DOUBLE", 22_050, 2),
    ("wav", "WAV", "ULAW", 8000, 1),
    ("wav", "WAV", "IMA_ADPCM", 16_000, 1),
    ("wav", "RF64", "PCM_16", 16_000, 2),
    ("aiff", "AIFF", "PCM_16", 44_100, 1),
    ("aif", "AIFF", "FLOAT", 48_000, 2),
    ("caf", "CAF", "PCM_24", 48_000, 1),
    ("caf", "CAF", "ALAC_16", 44_100, 2),
    ("au", "AU", "PCM_16", 16_000, 1),
    ("w64", "W64", "PCM_16", 16_000, 2),
    ("flac", "FLAC", "PCM_16", 16_000, 1),
    ("flac", "FLAC", "PCM_24", 96_000, 2),
    ("ogg", "OGG", "VORBIS", 44_100, 2),
    ("opus", "OGG", "OPUS", 16_000, 1),
    ("opus", "OGG", "OPUS", 48_000, 2),
    ("mp3", "MP3", "MPEG_LAYER_III", 44_100, 2),
    ("mp3", "MP3", "MPEG_LAYER_III", 16_000, 1),
    ("voc", "VOC", "PCM_16", 16_000, 1),
]
FFMPEG = [
    ("m4a", "ipod", "aac", 44_100, 2),
    ("m4a", "ipod", "aac", 16_000, 1),
    ("m4a", "ipod", "alac", 48_000, 1),
    ("m4b", "ipod", "aac", 22_050, 1),
    ("mp4", "mp4", "aac", 48_000, 6),
    ("mov", "mov", "pcm_s16le", 48_000, 2),
    ("mov", "mov", "aac", 44_100, 1),
    ("3gp", "3gp", "aac", 16_000, 1),
    ("mka", "matroska", "aac", 44_100, 1),
    ("mka", "matroska", "flac", 44_100, 2),
    ("mka", "matroska", "libmp3lame", 44_100, 1),
    ("mka", "matroska", "ac3", 48_000, 2),
    ("webm", "webm", "libopus", 48_000, 1),
    ("aac", "adts", "aac", 44_100, 2),
    ("aac", "adts", "aac", 16_000, 1),
    ("ac3", "ac3", "ac3", 48_000, 6),
    ("eac3", "eac3", "eac3", 48_000, 2),
    ("mp2", "mp2", "mp2", 44_100, 1),
    ("mp3", "mp3", "libmp3lame", 22_050, 1),
    ("wma", "asf", "wmav2", 44_100, 2),
    ("wma", "asf", "wmav2", 16_000, 1),
    ("amr", "amr", "libopencore_amrnb", 8000, 1),
    ("wv", "wv", "wavpack", 44_100, 1),
    ("ts", "mpegts", "aac", 48_000, 2),
    ("avi", "avi", "libmp3lame", 44_100, 2),
    ("flv", "flv", "aac", 44_100, 1),
]


@pytest.mark.parametrize(
    "kind", LIBSNDFILE + FFMPEG, ids=lambda kind: "-".join(map(str, kind))
)
def test_a_file_of_any_kind_keeps_format_length_lag_and_level(tmp_path, kind):
    ending, container, codec, rate, channels = kind
    source, target = tmp_path / f"in.{ending}", tmp_path / f"out.{ending}"
    if kind in FFMPEG:
        by_ffmpeg(source, container, codec, rate, channels)
    else:
        source.write_bytes(by_libsndfile(container, codec, rate, channels))
    outcome = denoise(source, target)
    assert not outcome.error
    # some containers cannot hold the title
    assert not outcome.remark or "could not carry over: " in outcome.remark
    before, after = (audio.read_file(path) for path in (source, target))
    assert_same_sound(before, after)
    assert after.subtype == before.subtype
    assert audio.FileSource(target).extension == audio.FileSource(source).extension
    # a header by itself is a large share of files as short as these
    if before.bit_rate:
        assert after.bit_rate < 1.8 * before.bit_rate + 20_000
    assert abs(len(after.samples) - COUNT) < 3 * 2048


TARGETS = ["wav", "flac", "aiff", "caf", "ogg", "opus", "mp3", "m4a", "mp4", "mov"]
TARGETS += ["mka", "webm", "aac", "ac3", "mp2", "wma", "wv", "w64", "3gp", "ts"]


@pytest.mark.parametrize("ending", TARGETS)
def test_the_output_may_be_of_another_format(tmp_path, ending):
    """To 48 kHz, which all of them have; those that count frames fill up the last."""
    source, target = tmp_path / "in.wav", tmp_path / f"out.{ending}"
    source.write_bytes(by_libsndfile("WAV", "PCM_16", 48_000, 2))
    assert not denoise(source, target).error
    before, after = (audio.read_file(path) for path in (source, target))
    assert 0 <= len(after.samples) - COUNT < 2048
    after = after._replace(samples=after.samples[:COUNT])
    assert_same_sound(before, after)


@pytest.mark.parametrize(
    "source, subtype, target, expected",
    [
        ("WAV", "PCM_24", "flac", "PCM_24"),
        ("WAV", "FLOAT", "flac", "PCM_24"),
        ("WAV", "FLOAT", "aiff", "FLOAT"),
        ("WAV", "PCM_U8", "flac", "PCM_16"),
        ("WAV", "ULAW", "flac", "PCM_16"),
        ("FLAC", "PCM_24", "wav", "PCM_24"),
        ("FLAC", "PCM_24", "wv", "WAVPACK_24"),
        ("CAF", "ALAC_24", "wav", "PCM_24"),
        ("OGG", "VORBIS", "wav", "PCM_16"),
        ("OGG", "OPUS", "m4a", "AAC"),
        ("MP3", "MPEG_LAYER_III", "wav", "PCM_16"),
        ("MP3", "MPEG_LAYER_III", "mka", "MPEG_LAYER_III"),
        ("WAV", "PCM_16", "mka", "PCM_16"),
    ],
)
def test_the_sample_format_holds_what_that_of_the_source_holds(
    tmp_path, source, subtype, target, expected
):
    data = by_libsndfile(source, subtype)
    (tmp_path / "in.x").write_bytes(data)
    assert not denoise(tmp_path / "in.x", tmp_path / f"out.{target}").error
    assert audio.FileSource(tmp_path / f"out.{target}").subtype == expected


@pytest.mark.parametrize("form, subtype", [("MP3", None), ("OGG", "OPUS")])
@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_lossy_formats_keep_about_their_bit_rate(tmp_path, form, subtype, level):
    ending = subtype.lower() if subtype else "mp3"
    data = by_libsndfile(form, subtype, 48_000, count=96_000, compression_level=level)
    (tmp_path / f"in.{ending}").write_bytes(data)
    assert not denoise(tmp_path / f"in.{ending}", tmp_path / f"out.{ending}").error
    size = (tmp_path / f"out.{ending}").stat().st_size
    assert size == pytest.approx(len(data), rel=0.3)


@pytest.mark.parametrize(
    "target, rate, channels, told",
    [
        ("opus", 44_100, 1, "OPUS has no 44100 Hz: written at 48000 Hz"),
        ("mp3", 96_000, 1, "MP3 has no 96000 Hz: written at 48000 Hz"),
        ("webm", 22_050, 1, "OPUS has no 22050 Hz: written at 24000 Hz"),
        ("amr", 16_000, 1, "AMR_NB has no 16000 Hz: written at 8000 Hz"),
        ("m4a", 192_000, 1, "AAC has no 192000 Hz: written at 96000 Hz"),
    ],
)
def test_rates_that_a_codec_has_not_are_resampled_with_a_line(
    tmp_path, target, rate, channels, told
):
    (tmp_path / "in.wav").write_bytes(by_libsndfile("WAV", "PCM_16", rate, channels))
    outcome = denoise(tmp_path / "in.wav", tmp_path / f"out.{target}")
    assert not outcome.error and told in outcome.remark
    after = audio.read_file(tmp_path / f"out.{target}")
    assert len(after.samples) / after.sample_rate == pytest.approx(
        COUNT / rate, abs=0.03
    )


@pytest.mark.parametrize(
    "target, channels, told",
    [
        ("mp3", 6, "6 channels, MP3 has 2 at most"),
        ("amr", 2, "2 channels, AMR_NB has 1 at most"),
        ("flac", 9, "9 channels, FLAC has 8 at most"),
        ("m4a", 9, "9 channels, AAC has 8 at most"),
        ("mov", 9, "9 channels, PCM_S16LE has 8 at most"),
        ("flv", 3, "3 channels, FLV has 2 at most"),
        ("webm", 7, "7 channels of Opus get into a wrong order here"),
    ],
)
def test_channels_that_a_format_has_not_are_told_before_the_work(
    tmp_path, monkeypatch, target, channels, told
):
    (tmp_path / "in.wav").write_bytes(by_libsndfile("WAV", "PCM_16", channels=channels))
    monkeypatch.setattr(audio, "read_file", None)  # nothing is read
    outcome = denoise(tmp_path / "in.wav", tmp_path / f"out.{target}")
    assert told in outcome.error and "\n" not in outcome.error
    assert not (tmp_path / f"out.{target}").exists()


def test_formats_that_are_only_read_name_another(tmp_path):
    with pytest.raises(InputError, match=r"no library writes \.ape"):
        audio.check_writable("a.ape")
    (tmp_path / "a.wav").write_bytes(by_libsndfile("WAV", "PCM_16"))
    with pytest.raises(InputError, match="unknown audio format"):
        files.jobs([str(tmp_path / "a.wav")], str(tmp_path / "b.xyz"), None)


def half(data):
    return data[: len(data) // 2]


def without_xing(data):
    """The frames of an MP3 file, without the first, which holds the header."""
    return data[data.find(data[:2], 4) :]


HALVES = ["WAV", "AIFF", "W64", "CAF", "AU", "FLAC", "RF64", "MP3", "OGG"]
HALVES += ["VOC", "NIST"]


@pytest.mark.parametrize("form", HALVES)
def test_half_a_file_is_done_and_named(tmp_path, form):
    count = 3 * 16_000
    data = by_libsndfile(form, None, count=count)
    source, target = tmp_path / f"a.{form.lower()}", tmp_path / f"b.{form.lower()}"
    source.write_bytes(half(data))
    outcome = denoise(source, target)
    assert not outcome.error
    assert "\n" not in outcome.remark and f"{source}: cut short, ends early" in (
        outcome.remark
    )
    if form != "OGG":  # which tells of no length
        assert " of 3.0 s" in outcome.remark
    samples = audio.read_file(target).samples
    assert 0.25 * count < len(samples) < 0.6 * count
    np.testing.assert_allclose(samples, voice(count)[: len(samples)], atol=0.05)


@pytest.mark.parametrize("container, ending", [("ipod", "m4a"), ("matroska", "mka")])
def test_half_a_container_is_done_where_its_index_is_there(tmp_path, container, ending):
    by_ffmpeg(tmp_path / "whole.x", container, "aac")
    path = tmp_path / f"a.{ending}"
    with (
        av.open(str(tmp_path / "whole.x")) as old,
        av.open(str(path), "w", container, options={"movflags": "faststart"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.audio[0])
        for packet in old.demux():
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    path.write_bytes(half(path.read_bytes()))
    outcome = denoise(path, tmp_path / f"b.{ending}")
    assert not outcome.error and "ends early" in outcome.remark
    if ending == "m4a":
        path.write_bytes(half((tmp_path / "whole.x").read_bytes()))
        assert "its index is missing" in denoise(path, tmp_path / "c.m4a").error


@pytest.mark.parametrize(("size", "rate"), [(111_040, 16_000), (179_202, 48_000)])
def test_whole_files_are_not_cut_short_by_rounding(tmp_path, size, rate):
    path = tmp_path / "whole.flac"
    soundfile.write(path, np.zeros(size), rate)
    assert audio.read_file(path).remark == ""


def riff(data, length, riff_length=None):
    """A WAV file whose header tells of other lengths."""
    at = data.find(b"data") + 4
    data = data[:at] + struct.pack("<I", length) + data[at + 4 :]
    if riff_length is not None:
        data = data[:4] + struct.pack("<I", riff_length) + data[8:]
    return data


def with_bytes(data, at, new):
    return data[:at] + new + data[at + len(new) :]


def wrong_lengths():
    """Files of COUNT samples whose headers tell of other lengths."""
    wav, rf64, aiff, caf, au, w64, flac = (
        by_libsndfile(form, "PCM_16")
        for form in ("WAV", "RF64", "AIFF", "CAF", "AU", "W64", "FLAC")
    )
    odd = b"junk" + struct.pack("<I", 3) + b"abc\0" + b"bext" + struct.pack("<I", 602)
    little = by_libsndfile("CAF", "PCM_16", endian="LITTLE")
    name = b"summ" + containers.W64_TAILS[0]
    summary = name + struct.pack("<Q", 424) + 50 * b"a remark"
    common, sound, data = (aiff.find(b"COMM"), aiff.find(b"SSND"), caf.find(b"data"))
    total = (flac[21] >> 4 << 36).to_bytes(5, "big")
    return {
        "died.wav": riff(wav, 0, 0),
        "died 2.wav": riff(wav, 0, 36),
        "died 3.wav": riff(wav, 0),
        "streamed.wav": riff(wav, 0xFFFFFFFF, 0xFFFFFFFF),
        "sox.wav": riff(wav, 0x7FFFF000, 0x7FFFF024),
        "arecord.wav": riff(wav, 0x80000000, 0x80000024),
        "short.wav": riff(wav, 1000),
        "odd.wav": riff(wav, 1001),
        "chunks.wav": wav[:12] + odd + bytes(602) + wav[12:],
        "unpadded.wav": wav[:12] + odd[:11] + wav[12:],
        "endless chunk.wav": wav[:36] + b"LIST" + struct.pack("<I", 10**6) + wav[36:],
        "tag in front.wav": ID3 + wav,
        "tag in front.aiff": ID3 + aiff,
        "tag in front.flac": ID3 + flac,
        "bw64.wav": b"BW64" + rf64[4:],
        "list.wav": wav + b"LIST" + struct.pack("<I", 4) + b"INFO",
        "tag.wav": wav + b"TAG" + bytes(125),
        "padded.wav": wav + bytes(512),
        "died.rf64": with_bytes(rf64, 20, bytes(24)),
        "died.aiff": with_bytes(aiff, sound + 4, bytes(4)),
        "short.aiff": with_bytes(aiff, sound + 4, struct.pack(">I", 1008)),
        "few.aiff": with_bytes(aiff, common + 10, struct.pack(">I", 10)),
        "little.caf": with_bytes(little, little.find(b"data") + 4, bytes(7) + b"\4"),
        "chunk behind.w64": w64 + bytes(-len(w64) % 8) + summary,
        "streamed.caf": with_bytes(caf, data + 4, b"\xff" * 8),
        "streamed.au": with_bytes(au, 8, b"\xff" * 4),
        "died.au": with_bytes(au, 8, bytes(4)),
        "died.w64": with_bytes(w64, w64.find(b"data") + 16, bytes(8)),
        "streamed.flac": with_bytes(flac, 21, total),
        "short.flac": with_bytes(
            flac, 21, (int.from_bytes(total, "big") | 999).to_bytes(5, "big")
        ),
    }


def test_lengths_in_headers_are_not_believed(tmp_path):
    for name, data in wrong_lengths().items():
        (tmp_path / name).write_bytes(data)
        found = audio.read_file(tmp_path / name)
        assert found.samples.shape == (COUNT, 1), name
        np.testing.assert_allclose(found.samples, voice(), atol=1e-4, err_msg=name)
        assert not found.remark, name


@pytest.mark.parametrize("kind", [b"RIFF", b"RF64", b"BW64"])
def test_samples_may_be_padded(tmp_path, kind):
    """24 bits in 32, by a header that tells of the 24 alone or of both."""
    samples = np.int32(np.rint(voice()[:, 0] * 2**23)) << 8
    guid = bytes.fromhex("0100000000001000800000aa00389b71")
    for bits in (24, 32):
        about = struct.pack("<HHIIHHHHI", 65534, 1, 16_000, 64_000, 4, bits, 22, 24, 4)
        head = b"WAVEfmt " + struct.pack("<I", 40) + about + guid
        length = 4 * COUNT
        if kind != b"RIFF":
            lengths = struct.pack("<IQQQI", 28, 36 + 72 + length, length, COUNT, 0)
            head, length = head[:4] + b"ds64" + lengths + head[4:], 2**32 - 1
        data = head + b"data" + struct.pack("<I", length) + samples.tobytes()
        total = len(data) if kind == b"RIFF" else 2**32 - 1
        (tmp_path / "a.wav").write_bytes(kind + struct.pack("<I", total) + data)
        found = audio.read_file(tmp_path / "a.wav")
        np.testing.assert_allclose(found.samples, voice(), atol=1e-6)
        assert not found.remark


def test_headers_without_sound_are_refused(tmp_path):
    nothing = b".snd" + bytes(60)
    for content in (b"", b"RIFF....WAVE", nothing, by_libsndfile("WAV", "PCM_16")[:44]):
        (tmp_path / "a.wav").write_bytes(content)
        error = denoise(tmp_path / "a.wav", tmp_path / "b.wav").error
        assert "a.wav: " in error and "\n" not in error


def test_half_a_bw64_file_is_named(tmp_path):
    data = half(by_libsndfile("RF64", "PCM_16"))
    (tmp_path / "a.wav").write_bytes(b"BW64" + data[4:])
    outcome = denoise(tmp_path / "a.wav", tmp_path / "b.wav")
    assert "cut short, ends early: 0.4 of 0.8 s" in outcome.remark


def test_all_data_chunks_of_a_wav_file_are_read(tmp_path):
    wav = by_libsndfile("WAV", "PCM_16")
    data, words = wav[36:], b"LIST" + struct.pack("<I", 4) + b"INFO"
    empty = b"data" + bytes(4)
    for parts, times in (
        ((data, data), 2),
        ((data, words, data), 2),
        ((empty, data), 1),
    ):
        content = wav[8:36] + b"".join(parts)
        path = tmp_path / "a.wav"
        path.write_bytes(b"RIFF" + struct.pack("<I", len(content)) + content)
        source = audio.FileSource(path)
        found = audio.read_file(source)
        assert source.num_samples == len(found.samples) == times * COUNT
        expected = np.tile(voice(), (times, 1))
        np.testing.assert_allclose(found.samples, expected, atol=1e-4)


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM", "GSM610"])
def test_wav_files_of_other_codecs_may_tell_of_no_length(tmp_path, subtype):
    (tmp_path / "a.wav").write_bytes(riff(by_libsndfile("WAV", subtype, 8000), 0, 0))
    found = audio.read_file(tmp_path / "a.wav").samples
    assert len(found) == pytest.approx(COUNT, abs=500)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_what_follows_an_ogg_file_that_was_cut_is_read(tmp_path, subtype):
    long, short = (
        by_libsndfile("OGG", subtype, 48_000, count=n * COUNT) for n in (9, 1)
    )
    path = tmp_path / "a.ogg"
    for share in (0.1, 0.5, 0.9, 0.999):
        path.write_bytes(long[: int(share * len(long))] + short)
        found = audio.read_file(path)
        assert len(found.samples) >= COUNT
        np.testing.assert_allclose(found.samples[-COUNT:], voice(), atol=0.3)
        assert "ends early" in found.remark or "is left out" in found.remark


DAMAGED = [
    ("flac", "FLAC", None, 0),
    ("ogg", "OGG", "VORBIS", 128),
    ("opus", "OGG", "OPUS", 0),
]


@pytest.mark.parametrize("ending, form, subtype, most", DAMAGED)
@pytest.mark.parametrize("count", [1, 40])
def test_what_follows_damaged_sound_stays_in_place(
    tmp_path, ending, form, subtype, most, count
):
    """To a few milliseconds of Vorbis, whose first block behind a gap is not known."""
    # of 48 kHz, as FFmpeg decodes Opus
    data = bytearray(by_libsndfile(form, subtype, 48_000, count=20 * COUNT))
    (tmp_path / f"whole.{ending}").write_bytes(data)
    middle = slice(len(data) // 2, len(data) // 2 + count)
    data[middle] = bytes(byte ^ 0x5A for byte in data[middle])
    (tmp_path / f"in.{ending}").write_bytes(data)
    outcome = denoise(tmp_path / f"in.{ending}", tmp_path / "out.wav")
    assert "s that are damaged are silence" in outcome.remark and not outcome.error
    before = audio.read_file(tmp_path / f"whole.{ending}").samples
    after = audio.read_file(tmp_path / "out.wav").samples
    assert abs(len(before) - len(after)) <= most
    end = len(before) - 2 * COUNT, len(before)
    assert abs(lag(before[slice(*end)], after[slice(*end)])) <= most


@pytest.mark.parametrize("name", ["mp2", "ac3", "eac3"])
def test_a_last_frame_that_is_cut_is_named(tmp_path, name):
    """More cannot be told of formats that know no length."""
    source = tmp_path / f"a.{name}"
    by_ffmpeg(source, name, name, 48_000, 1)
    assert not audio.read_file(source).remark
    source.write_bytes(source.read_bytes()[:-11])
    outcome = denoise(source, tmp_path / "b.wav")
    assert "cut short, ends early: after 0.3 s; its end is lost" in outcome.remark


WITHOUT_END = [
    ("aac", "adts", "aac", "after", None),
    ("amr", "amr", "libopencore_amrnb", "after", None),
    ("flv", "flv", "aac", " of ", None),
    ("wma", "asf", "wmav2", "early", None),
    ("ts", "mpegts", "aac", "after", None),
    ("m2ts", "m2ts", "aac", "after", None),
    ("avi", "avi", "libmp3lame", "after", None),
    ("mkv", "matroska", "aac", " of ", None),
    ("webm", "webm", "libopus", " of ", None),
    ("wma", "asf", "wmav2", "early", "mpeg4"),
    ("avi", "avi", "libmp3lame", "early", "mpeg4"),
    ("mkv", "matroska", "aac", "early", "mpeg4"),
]


@pytest.mark.parametrize("ending, container, codec, told, pictures", WITHOUT_END)
def test_a_missing_end_is_named_once(
    tmp_path, ending, container, codec, told, pictures
):
    """By lengths in headers, by whole packets or by the last of them."""
    path, rate = (
        tmp_path / f"a.{ending}",
        {"amr": 8000, "webm": 48_000}.get(ending, 16_000),
    )
    if container == "m2ts":
        by_ffmpeg(tmp_path / "a.ts", "mpegts", codec, rate)
        data = (tmp_path / "a.ts").read_bytes()
        parts = (bytes(4) + data[i : i + 188] for i in range(0, len(data), 188))
        path.write_bytes(b"".join(parts))
    else:
        by_ffmpeg(path, container, codec, rate, pictures=pictures)
    whole = audio.read_file(path)
    assert not whole.remark
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3 * 2 + 1])
    found = audio.read_file(path)
    assert len(found.samples) < len(whole.samples)
    assert f"{path}: cut short, ends early: " in found.remark
    assert ";" not in found.remark.replace("; its end is lost", "")
    assert told in found.remark


def test_an_index_in_front_does_not_hide_a_missing_end(tmp_path):
    path = tmp_path / "a.mov"
    by_ffmpeg(tmp_path / "whole.mov", "mov", "aac")
    with (
        av.open(str(tmp_path / "whole.mov")) as old,
        av.open(str(path), "w", options={"movflags": "faststart"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.audio[0])
        new.mux(ffmpeg.packets(old, {old.streams.audio[0]: stream}))
    assert not audio.read_file(path).remark
    path.write_bytes(path.read_bytes()[:-100])
    assert "ends early: after 0.7 s; its end is lost" in audio.read_file(path).remark


def test_matroska_may_have_void_and_crc_elements_in_front(tmp_path):
    data = by_ffmpeg(tmp_path / "a.mka", "matroska", "flac").read_bytes()
    at = data.find(bytes.fromhex("18538067"))  # IDs of one byte before that of four
    whole = data[:at] + b"\xec\x83abc" + b"\xbf\x84abcd" + data[at:]
    assert containers.matroska_end(io.BytesIO(whole), 0) == len(whole)
    assert endings.is_complete(io.BytesIO(whole))
    assert not endings.is_complete(io.BytesIO(whole[:-1]))
    found = audio.read_file(io.BytesIO(2 * whole))
    assert len(found.samples) == 2 * COUNT and not found.remark


def test_asf_files_may_tell_of_no_duration(tmp_path):
    path = by_ffmpeg(tmp_path / "a.wma", "asf", "wmav2")
    data, expected = path.read_bytes(), audio.read_file(path).samples
    at = data.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")) + 64
    path.write_bytes(with_bytes(data, at, bytes(8)))
    with open(path, "rb") as file:
        assert endings.asf_seconds(file) is None
    source = audio.FileSource(path)
    assert source.num_samples == 0
    np.testing.assert_array_equal(audio.read_file(source).samples, expected)


def test_less_than_a_frame_is_refused_in_one_line(tmp_path):
    path = tmp_path / "a.wv"
    by_ffmpeg(path, "wv", "wavpack")
    path.write_bytes(half(path.read_bytes()))
    with pytest.raises(InputError, match="no sound in it can be decoded"):
        audio.read_file(path)


def test_a_long_avi_file_is_one(tmp_path):
    path = tmp_path / "a.avi"
    by_ffmpeg(path, "avi", "libmp3lame", pictures="mpeg4")
    length = len(audio.read_file(path).samples)
    path.write_bytes(path.read_bytes() + b"RIFF\4\0\0\0AVIX")
    found = audio.read_file(path)
    assert len(found.samples) == length and not found.remark


def ape(items):
    foot = struct.pack("<IIII", 2000, len(items) + 32, 1, 0) + bytes(8)
    return items + b"APETAGEX" + foot


TAGS = {
    "apev2": ape(struct.pack("<II", 5, 0) + b"Title\0hello"),
    "id3v1": b"TAG" + bytes(125),
    "lyrics3": b"LYRICSBEGIN" + b"abc" * 200 + b"000611LYRICS200",
}


@pytest.mark.parametrize("form", ["mp3", "aac"])
def test_tags_at_the_end_are_no_sound(tmp_path, form):
    path = tmp_path / f"a.{form}"
    path.write_bytes(by_libsndfile("MP3", None))
    if form == "aac":
        by_ffmpeg(path, "adts", "aac")
    data, expected = path.read_bytes(), audio.read_file(path).samples
    for end in [*TAGS.values(), TAGS["apev2"] + TAGS["lyrics3"] + TAGS["id3v1"]]:
        path.write_bytes(1000 * ID3 + data + end)
        found = audio.read_file(path)
        np.testing.assert_array_equal(found.samples, expected)
        assert not found.remark


def ogg_pages(data):
    pages = []
    while data:
        count = data[26]
        length = 27 + count + sum(data[27 : 27 + count])
        pages.append(data[:length])
        data = data[length:]
    return pages


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("count", [1, 2])
def test_pages_that_are_missing_inside_are_silence(tmp_path, subtype, count):
    pages = ogg_pages(by_libsndfile("OGG", subtype, 48_000, count=40 * COUNT))
    path, middle = tmp_path / "a.ogg", len(pages) // 2
    path.write_bytes(b"".join(pages[:middle] + pages[middle + count :]))
    found = audio.read_file(path)
    assert len(found.samples) == pytest.approx(40 * COUNT, abs=128)
    assert "s that are damaged are silence" in found.remark


def later(page, num_samples, num_pages):
    """An Ogg page with sound, as it is later in a stream."""
    samples, serial, count = struct.unpack_from("<qII", page, 6)
    if samples <= 0:
        return page
    place = struct.pack("<qII", samples + num_samples, serial, count + num_pages)
    page, total = page[:6] + place + bytes(4) + page[26:], 0
    for byte in page:  # the sum of Ogg, bit by bit
        total ^= byte << 24
        for _ in range(8):
            total = (total << 1) ^ (0x104C11DB7 if total >> 31 else 0)
    return page[:22] + struct.pack("<I", total) + page[26:]


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("skipped", [0, 5000])
def test_a_recording_from_the_middle_of_a_stream(tmp_path, subtype, skipped):
    """Its first sample is at an hour of the stream, which it is not as long as."""
    pages = ogg_pages(by_libsndfile("OGG", subtype, 48_000, count=9 * COUNT))
    (tmp_path / "whole.ogg").write_bytes(b"".join(pages))
    path = tmp_path / "a.ogg"
    path.write_bytes(b"".join(later(page, 3600 * 48_000, skipped) for page in pages))
    whole, found = (audio.read_file(x) for x in (tmp_path / "whole.ogg", path))
    assert len(found.samples) == len(whole.samples) and not found.remark
    assert found.bit_rate == pytest.approx(whole.bit_rate, rel=0.2)


@pytest.mark.parametrize("ending, form, subtype, _", DAMAGED)
def test_damage_at_the_end_is_named(tmp_path, ending, form, subtype, _):
    data = bytearray(by_libsndfile(form, subtype, count=8 * COUNT))
    data[-60:-20] = bytes(40)
    (tmp_path / f"in.{ending}").write_bytes(data)
    outcome = denoise(tmp_path / f"in.{ending}", tmp_path / "out.wav")
    assert "ends early" in outcome.remark and not outcome.error


def test_damage_at_the_end_is_named_where_no_length_is_known(tmp_path):
    data = by_libsndfile("FLAC", None, count=8 * COUNT)
    data = with_bytes(data, 21, (data[21] >> 4 << 36).to_bytes(5, "big"))
    for content in (with_bytes(data, len(data) - 60, bytes(40)), data[:-60]):
        (tmp_path / "a.flac").write_bytes(content)
        remark = audio.read_file(tmp_path / "a.flac").remark
        assert "cut short, ends early: after 6." in remark


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_videos_without_sound_say_so(tmp_path, name):
    by_ffmpeg(tmp_path / "sound.mkv", None, "aac", pictures="libx264")
    with (
        av.open(str(tmp_path / "sound.mkv")) as old,
        av.open(str(tmp_path / name), "w") as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    error = denoise(tmp_path / name, tmp_path / "b.wav").error
    assert error.endswith("cannot read: there is no sound in it")
    if name != "a.mkv":
        (tmp_path / name).write_bytes(half((tmp_path / name).read_bytes()))
        error = denoise(tmp_path / name, tmp_path / "b.wav").error
        assert "its index is missing" in error


def test_an_mp2_file_may_be_called_mp3(tmp_path):
    by_ffmpeg(tmp_path / "a.mp3", "mp2", "mp2", 44_100)
    assert not denoise(tmp_path / "a.mp3", tmp_path / "b.mp3").error
    assert audio.FileSource(tmp_path / "b.mp3").subtype == "MPEG_LAYER_III"


@pytest.mark.parametrize(
    "rate, bit_rate", [(44_100, 32_000), (16_000, 8000), (8000, 1)]
)
def test_mp3_files_of_the_lowest_bit_rates(tmp_path, rate, bit_rate):
    path = tmp_path / "a.mp3"
    with audio.open_writer(path, rate, 1, "MPEG_LAYER_III", bit_rate=bit_rate) as add:
        add(voice(rate=rate))
    assert len(audio.read_file(path).samples) == COUNT


def test_pcm_has_no_bit_rate_to_keep(tmp_path):
    path = by_ffmpeg(tmp_path / "a.mov", "mov", "pcm_s16le")
    assert audio.FileSource(path).bit_rate is None


def test_pcm_in_avi(tmp_path):
    (tmp_path / "a.wav").write_bytes(by_libsndfile("WAV", "PCM_16"))
    assert not denoise(tmp_path / "a.wav", tmp_path / "b.avi").error
    assert not denoise(tmp_path / "b.avi", tmp_path / "c.avi").error
    after = audio.read_file(tmp_path / "c.avi").samples
    np.testing.assert_allclose(after, voice(), atol=1e-4)


@pytest.mark.parametrize("ending", ["m4a", "mka", "webm", "tta"])
def test_eight_channels_by_ffmpeg(tmp_path, ending):
    source = tmp_path / "a.wav"
    source.write_bytes(by_libsndfile("WAV", "PCM_16", 48_000, 8))
    assert not denoise(source, tmp_path / f"b.{ending}").error
    before, after = map(audio.read_file, (source, tmp_path / f"b.{ending}"))
    assert after.samples.shape == before.samples.shape
    power = np.mean(before.samples[:, 0] ** 2)
    assert np.mean((after.samples - before.samples)[:, 0] ** 2) < 0.1 * power


@pytest.mark.parametrize("ending", ["ogg", "opus", "webm", "ogv"])
@pytest.mark.parametrize("channels", [3, 4, 6, 8])
def test_channels_stay_in_their_order(tmp_path, ending, channels):
    """Of a WAV file, by the one who reads here, and by FFmpeg."""
    time_s = np.arange(24_000) / 48_000
    pitches = 40 + 20 * np.arange(channels)  # the channel of low tones has no others
    path = tmp_path / f"a.{ending}"
    audio.write(path, 0.1 * np.sin(2 * np.pi * time_s[:, None] * pitches), 48_000)
    with open(path, "rb") as file:
        by_ffmpeg_alone = [x for _, x in ffmpeg.Reader(file).blocks(48_000)]
    for samples in (audio.read_file(path).samples, by_ffmpeg_alone[0]):
        spectra = np.abs(np.fft.rfft(samples[:24_000], axis=0))
        assert (2 * np.argmax(spectra, axis=0)).tolist() == pitches.tolist()


@pytest.mark.parametrize(
    "ending, rate, expected",
    [
        ("wve", 16_000, 8000),
        ("xi", 16_000, 44_100),
        ("svx", 96_000, 65_535),
        ("ogg", 768_000, 192_000),
    ],
)
def test_formats_that_write_a_wrong_rate_are_resampled(
    tmp_path, ending, rate, expected
):
    (tmp_path / "a.wav").write_bytes(by_libsndfile("WAV", "PCM_16", rate))
    outcome = denoise(tmp_path / "a.wav", tmp_path / f"b.{ending}")
    assert f"written at {expected} Hz" in outcome.remark
    after = audio.read_file(tmp_path / f"b.{ending}")
    assert after.sample_rate == expected
    assert len(after.samples) == pytest.approx(COUNT * expected / rate, abs=20)


def test_a_format_of_two_files_is_none(tmp_path):
    with pytest.raises(InputError, match="unknown audio format"):
        audio.check_writable("a.sd2")


JOINED = ["WAV", "AIFF", "AU", "CAF", "FLAC", "OGG", "RF64", "W64"]


@pytest.mark.parametrize("form", JOINED)
def test_joined_files_are_read_to_the_end(tmp_path, form):
    data = by_libsndfile(form, None)
    path = tmp_path / "a.x"
    path.write_bytes(3 * data)
    source = audio.FileSource(path)
    found = audio.read_file(source)
    assert source.num_samples == len(found.samples) == 3 * COUNT and not found.remark
    one = audio.read_file(io.BytesIO(data)).samples
    np.testing.assert_array_equal(found.samples, np.tile(one, (3, 1)))


JOINED_BY_FFMPEG = [
    ("wma", "asf", "wmav2", None),
    ("flv", "flv", "aac", None),
    ("tta", "tta", "tta", None),
    ("amr", "amr", "libopencore_amrnb", None),
    ("mka", "matroska", "flac", None),
    ("m4a", "ipod", "aac", None),
    ("mkv", "matroska", "aac", "mpeg4"),
    ("mp4", "mp4", "aac", "mpeg4"),
]


@pytest.mark.parametrize("ending, container, codec, pictures", JOINED_BY_FFMPEG)
def test_other_joined_files_are_read_to_the_end(
    tmp_path, ending, container, codec, pictures
):
    """Of videos the pictures of the first are kept, and a line says so."""
    path, target = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    rate = 8000 if ending == "amr" else 16_000
    by_ffmpeg(path, container, codec, rate, pictures=pictures)
    one = audio.read_file(path).samples
    path.write_bytes(2 * path.read_bytes())
    found = audio.read_file(path)
    np.testing.assert_array_equal(found.samples, np.tile(one, (2, 1)))
    assert not found.remark
    outcome = denoise(path, target)
    assert not outcome.error
    assert ("pictures of the first" in outcome.remark) == bool(pictures)
    assert len(audio.read_file(target).samples) == pytest.approx(2 * len(one), abs=40)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_chains_of_other_rates_and_channels_become_those_of_the_first(
    tmp_path, subtype
):
    first, second, third = (
        by_libsndfile("OGG", subtype, rate, channels)
        for rate, channels in ((48_000, 1), (16_000, 1), (48_000, 2))
    )
    path = tmp_path / "a.ogg"
    path.write_bytes(first + second + b"junk" * 20 + third)
    found = audio.read_file(path)
    assert found.sample_rate == 48_000
    assert found.samples.shape == (5 * COUNT, 1)
    assert "converted to 48000 Hz and 1" in found.remark
    path.write_bytes(first + second[:60])
    found = audio.read_file(path)
    assert len(found.samples) == COUNT
    assert f"what begins at byte {len(first)} is left out" in found.remark


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_mp3_files_are_read_to_the_end(tmp_path, mode, rate):
    junk = np.random.default_rng(0).bytes(3000)
    data = by_libsndfile(
        "MP3", None, rate, count=3 * COUNT, bitrate_mode=mode, compression_level=0.3
    )
    quiet = by_libsndfile("MP3", None, rate, bitrate_mode=mode, compression_level=0.3)
    cases = {  # with how many samples, and of how many files they are
        "whole": (data, 3 * COUNT, 0),
        "a tag behind": (data + b"TAG" + bytes(125), 3 * COUNT, 0),
        "without a header": (without_xing(data), 3 * COUNT, 1),
        "joined": (data + quiet + data, 7 * COUNT, 3),
        "joined without headers": (2 * without_xing(data), 6 * COUNT, 2),
        "tags between": (data + ID3 + data, 6 * COUNT, 2),
        "junk between": (data + junk + data, 6 * COUNT, 2),
        "junk in front": (junk + data, 3 * COUNT, 1),
    }
    for name, (content, expected, num_files) in cases.items():
        (tmp_path / "a.mp3").write_bytes(content)
        found = audio.read_file(tmp_path / "a.mp3")
        # a header, and the delay of an encoder, are sound where files join
        assert 0 <= len(found.samples) - expected <= 3500 * num_files, name
        assert "early" not in found.remark, name


def test_the_first_part_tells_rate_and_channels_of_an_mp3(tmp_path):
    parts = [by_libsndfile("MP3", None, *x) for x in ((44_100, 1), (22_050, 2))]
    (tmp_path / "a.mp3").write_bytes(b"".join(parts))
    found = audio.read_file(tmp_path / "a.mp3")
    assert found.sample_rate == 44_100 and "converted" in found.remark
    assert found.samples.shape == (pytest.approx(3 * COUNT, abs=5000), 1)


def packets(path):
    """Of pictures: time base, times and bytes."""
    with av.open(str(path)) as container:
        (video,) = container.streams.video
        return [
            (p.pts * p.time_base, p.dts and p.dts * p.time_base, bytes(p))
            for p in container.demux(video)
            if p.size
        ]


@pytest.mark.parametrize(
    "name, codec, pictures, rate",
    [
        ("a.mp4", "aac", "libx264", 44_100),
        ("a.mov", "pcm_s16le", "mpeg4", 48_000),
        ("a.mkv", "flac", "libx264", 16_000),
        ("a.webm", "libopus", "libvpx-vp9", 48_000),
        ("a.avi", "libmp3lame", "mpeg4", 44_100),
        ("a.ts", "aac", "libx264", 48_000),
        ("a.wmv", "wmav2", "wmv2", 44_100),
        ("a.flv", "aac", "flv", 22_050),
    ],
)
def test_pictures_of_videos_stay_bit_for_bit(tmp_path, name, codec, pictures, rate):
    source, target = tmp_path / name, tmp_path / f"out_{name}"
    by_ffmpeg(source, None, codec, rate, pictures=pictures)
    outcome = denoise(source, target)
    assert not outcome.error and not outcome.remark
    assert packets(target) == packets(source)
    sounds = [audio.FileSource(path) for path in (source, target)]
    before, after = map(audio.read_file, sounds)
    assert_same_sound(before, after)
    assert sounds[1].start_s == pytest.approx(sounds[0].start_s, abs=0.001)
    if name != "a.ts":
        with av.open(str(target)) as container:
            assert container.metadata["title"] == "Interview 7"


def test_every_track_of_a_video_is_denoised(tmp_path):
    source, target = tmp_path / "a.mkv", tmp_path / "b.mkv"
    by_ffmpeg(source, None, "flac", pictures="libx264", tracks=2)
    assert not denoise(source, target, "silence").error
    for track in range(2):
        before, after = (
            audio.read_file(audio.FileSource(path, track)).samples
            for path in (source, target)
        )
        # 60 dB down: steps of 16 bits remain
        np.testing.assert_allclose(after, 1e-3 * before, atol=2**-15)
    with av.open(str(target)) as container:
        languages = [s.metadata["language"] for s in container.streams.audio]
    assert languages == ["eng", "deu"]


def test_what_was_removed_may_be_a_video_beside_sound_alone(tmp_path):
    source, target, removed = (tmp_path / x for x in ("a.mkv", "b.wav", "c.mkv"))
    by_ffmpeg(source, None, "flac", pictures="libx264", tracks=2)
    (job,), _ = files.jobs([str(source)], str(target), str(removed))
    (outcome,) = files.denoise(
        registry.make("silence"), [job], {}, files.DryWetMix(), on_files=lambda _: None
    )
    assert not outcome.error and "holds the sound alone" in outcome.remark
    for track in range(2):
        before, after = (
            audio.read_file(audio.FileSource(path, track)).samples
            for path in (source, removed)
        )
        np.testing.assert_allclose(after, 0.999 * before, atol=2**-15)
    before = audio.read(source).samples
    np.testing.assert_allclose(audio.read(target).samples, 1e-3 * before, atol=2**-15)


def test_a_track_that_joined_files_lack_is_named(tmp_path):
    two, one = (
        by_ffmpeg(tmp_path / f"{n}.mkv", None, "flac", tracks=n).read_bytes()
        for n in (2, 1)
    )
    (tmp_path / "a.mkv").write_bytes(two + one)
    found = audio.read_file(audio.FileSource(tmp_path / "a.mkv", 1))
    assert len(found.samples) == COUNT and "no such track" in found.remark


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_sound_that_starts_later_stays_in_place(tmp_path, name):
    source, target = tmp_path / name, tmp_path / f"out_{name}"
    by_ffmpeg(source, None, "aac", pictures="libx264", start_s=0.25)
    assert not denoise(source, target).error
    placed = []
    for path in (source, target):
        sound = audio.FileSource(path)
        samples = audio.read_file(sound).samples
        silence = np.zeros((round(sound.start_s * 16_000), 1), np.float32)
        placed.append(np.concatenate([silence, samples]))
    assert abs(lag(*placed)) <= 8  # Matroska counts milliseconds
    assert len(placed[1]) == pytest.approx(len(placed[0]), abs=8)


def test_sound_may_start_late_by_less_than_a_tick(tmp_path):
    """Then there is no empty edit, and the encoder's samples are skipped all the same."""
    path, target = tmp_path / "a.mp4", tmp_path / "b.mp4"
    by_ffmpeg(path, None, "aac", pictures="mpeg4")
    source = audio.FileSource(path)
    samples = audio.read_file(source).samples
    source.start_s = 1e-5
    with video.open_track_writers(target, [source], [16_000], []) as (add,):
        add(samples)
    found = audio.read_file(target).samples
    assert found.shape == samples.shape and lag(samples, found) == 0


def test_a_movie_of_no_ticks_tells_of_no_duration(tmp_path):
    path = tmp_path / "a.mp4"
    by_ffmpeg(path, None, "aac", pictures="mpeg4", start_s=0.25)
    data = path.read_bytes()
    path.write_bytes(with_bytes(data, data.find(b"mvhd") + 16, bytes(4)))
    with open(path, "rb") as file:
        assert edits.seconds(file, 1) is None
    assert len(audio.read_file(path).samples)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.ts"])
@pytest.mark.parametrize("start_s", [0.005, 0.3])
@pytest.mark.parametrize("rate, channels", [(44_100, 2), (48_000, 1)])
def test_sound_that_starts_late_is_none_the_longer(
    tmp_path, name, start_s, rate, channels
):
    """MP4 tells of what is in front of a sound, though it starts late."""
    path = tmp_path / name
    pictures = "mpeg2video" if name == "a.ts" else "mpeg4"
    by_ffmpeg(path, None, "aac", rate, channels, pictures, start_s=start_s)
    before = audio.FileSource(path)
    samples = audio.read_file(before).samples
    assert before.start_s > 0 or start_s < 0.1
    for i, ending in enumerate(["mp4", "mov", "mp4"]):
        target = tmp_path / f"{i}.{ending}"
        assert not denoise(path, target).error
        after = audio.FileSource(target)
        found = audio.read_file(after).samples
        assert found.shape == samples.shape and lag(samples, found) == 0
        assert after.start_s == pytest.approx(before.start_s, abs=2 / rate)
        path = target


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("ending", ["m4a", "mkv", "mov", "mp4"])
def test_aac_adds_nothing_with_each_pass(tmp_path, rate, channels, ending):
    path = by_ffmpeg(tmp_path / "a.m4a", "ipod", "aac", rate, channels)
    before = audio.read_file(path).samples
    for i in range(2):
        target = tmp_path / f"{i}.{ending}"
        assert not denoise(path, target).error
        after = audio.read_file(target)
        assert after.subtype == "AAC"
        assert after.samples.shape == before.shape
        assert lag(before, after.samples) == 0
        path = target


def with_words(source, target, subtitles):
    """The same with subtitles, chapters and, in Matroska, a font."""
    milliseconds = fractions.Fraction(1, 1000)
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        copies = {s.index: new.add_stream_from_template(s) for s in old.streams}
        words = new.add_mux_stream(subtitles)
        if target.suffix == ".mkv":
            new.add_attachment("a.ttf", "font/ttf", b"font" * 100)
        chapters = [
            {"id": i, "start": 200 * i, "end": 200 * i + 200, "time_base": milliseconds}
            for i in range(2)
        ]
        new.set_chapters([{**x, "metadata": {"title": str(x["id"])}} for x in chapters])
        for packet in old.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                new.mux(packet)
        text = b"Hello"
        head = len(text).to_bytes(2, "big") if subtitles == "mov_text" else b""
        packet = av.Packet(head + text)
        packet.stream, packet.time_base = words, milliseconds
        packet.pts = packet.dts = 100
        packet.duration = 50
        new.mux(packet)


@pytest.mark.parametrize(
    "name, codec, subtitles",
    [("a.mp4", "aac", "mov_text"), ("a.mkv", "flac", "subrip")],
)
def test_subtitles_chapters_and_fonts_stay(tmp_path, name, codec, subtitles):
    plain, source, target = (tmp_path / f"{x}_{name}" for x in ("plain", "in", "out"))
    by_ffmpeg(plain, None, codec, pictures="libx264")
    with_words(plain, source, subtitles)
    outcome = denoise(source, target)
    assert not outcome.error and not outcome.remark
    found = []
    for path in (source, target):
        with av.open(str(path)) as container:
            words = [
                (p.pts * p.time_base, p.duration * p.time_base, bytes(p))
                for p in container.demux(container.streams.subtitles[0])
                if p.size
            ]
            fonts = [s.data for s in container.streams if s.type == "attachment"]
            titles = [chapter["metadata"]["title"] for chapter in container.chapters()]
            found.append((words, fonts, titles))
    assert found[0] == found[1] and found[0][2] == ["0", "1"]
    assert found[0][1] == ([b"font" * 100] if name == "a.mkv" else [])
    other = tmp_path / "b.webm"  # holds neither
    assert "cannot hold" in denoise(source, other).remark


def test_the_sound_of_a_video_alone(tmp_path):
    by_ffmpeg(tmp_path / "a.mp4", None, "aac", pictures="libx264")
    outcome = denoise(tmp_path / "a.mp4", tmp_path / "a.wav")
    assert not outcome.error and "holds the sound alone" in outcome.remark
    assert len(audio.read_file(tmp_path / "a.wav").samples) == pytest.approx(
        COUNT, abs=20
    )


def run_piped(monkeypatch, data, *args):
    """The command with these bytes on standard input: its standard output."""
    from inr_jax.enhancement import files

    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    monkeypatch.setattr(sys, "stdout", out)
    (job,), _ = files.jobs(["-"], "-", None, *args)
    (outcome,) = files.denoise(registry.make("noisy"), [job], {}, files.DryWetMix())
    monkeypatch.undo()
    return outcome, out.buffer.getvalue()


@pytest.mark.parametrize("form", ["FLAC", "MP3", "OGG", "AIFF", "CAF"])
def test_pipes_keep_the_format(monkeypatch, form):
    data = by_libsndfile(form, None)
    outcome, out = run_piped(monkeypatch, data)
    assert not outcome.error
    assert soundfile.info(io.BytesIO(out)).format == form
    assert len(audio.read_file(io.BytesIO(out)).samples) == COUNT


def test_pipes_of_other_formats(monkeypatch, tmp_path):
    data = by_ffmpeg(tmp_path / "a.m4a", "ipod", "aac").read_bytes()
    outcome, out = run_piped(monkeypatch, data)
    assert not outcome.error and out[4:8] == b"ftyp"
    outcome, out = run_piped(monkeypatch, data, "flac")
    assert not outcome.error and out[:4] == b"fLaC"
    path = by_ffmpeg(tmp_path / "a.mkv", None, "flac", pictures="libx264", tracks=2)
    outcome, out = run_piped(monkeypatch, path.read_bytes(), "wav")
    assert "holds the sound alone" in outcome.remark and out[:4] == b"RIFF"
    outcome, out = run_piped(monkeypatch, path.read_bytes())
    assert not outcome.remark and audio.FileSource(io.BytesIO(out)).num_tracks == 2
    outcome, out = run_piped(monkeypatch, b"")
    assert "standard input: cannot read" in outcome.error and not out


def test_pipes_keep_pictures_and_name_no_temporary_file(monkeypatch, tmp_path):
    path = by_ffmpeg(tmp_path / "a.wmv", None, "wmav2", 44_100, pictures="wmv2")
    outcome, out = run_piped(monkeypatch, path.read_bytes())
    assert not outcome.error and audio.FileSource(io.BytesIO(out)).has_pictures
    outcome, _ = run_piped(monkeypatch, by_libsndfile("WAV", None, 44_100), "opus")
    assert outcome.remark.startswith("standard output.opus: OPUS has no 44100 Hz")
    assert formats.container_extension("amr", "amrwb", False) == "awb"


def test_folders_may_become_another_format(tmp_path):
    place = tmp_path / "in"
    place.mkdir()
    by_ffmpeg(place / "memo.m4a", "ipod", "aac")
    (place / "b.wav").write_bytes(by_libsndfile("WAV", "PCM_24"))
    found, _ = files.jobs([str(place)], f"{tmp_path}/out/", None, "flac")
    names = sorted(job.target.rpartition("/")[2] for job in found)
    assert names == ["b.flac", "memo.flac"]
    with pytest.raises(InputError, match="names the format"):
        files.jobs([str(place / "b.wav")], f"{tmp_path}/b.wav", None, "flac")


@pytest.mark.parametrize(
    "ending, subtype, bits",
    [
        ("wav", "PCM_U8", 8),
        ("wav", "PCM_16", 16),
        ("wav", "PCM_24", 24),
        ("wav", "PCM_32", 32),
        ("flac", "PCM_16", 16),
        ("flac", "PCM_24", 24),
        ("aiff", "PCM_S8", 8),
        ("aiff", "PCM_16", 16),
        ("caf", "ALAC_16", 16),
        ("wv", "WAVPACK_16", 16),
        ("mka", "FLAC_16", 16),
        ("mov", "PCM_16", 16),
    ],
)
def test_integers_are_rounded_to_the_nearest(tmp_path, ending, subtype, bits):
    full = 2 ** (min(bits, 24) - 1)  # float32 has no finer steps
    exact = np.linspace(-0.9, 0.9, 5000, dtype=np.float32)[:, None]
    path = tmp_path / f"a.{ending}"
    audio.write(path, exact, 16_000, subtype)
    found = audio.read_file(path).samples
    error = (found.astype(np.float64) - exact) * full
    assert np.max(np.abs(error)) <= 0.5 + 1e-6
    assert abs(np.mean(error)) < 0.02
    loud = np.float32([[1.5], [-1.5], [1.0], [0.0]])
    assert audio.write(path, loud, 16_000, subtype) == 2
    found = audio.read_file(path).samples
    np.testing.assert_allclose(found, [[1], [-1], [1], [0]], atol=1.01 / full)


@pytest.mark.parametrize("subtype, width", [("PCM_16", 2), ("PCM_24", 3), ("FLOAT", 4)])
def test_a_wav_file_that_gets_too_long_goes_on_as_rf64(
    tmp_path, monkeypatch, subtype, width
):
    monkeypatch.setattr(
        sys.modules["inr_jax.audio.write"], "WAV_LIMIT", 2 * COUNT * width
    )
    path = tmp_path / "a.wav"
    for count, form in ((COUNT, "WAV"), (3 * COUNT, "RF64")):
        samples = voice(count, channels=2)
        with audio.open_writer(path, 16_000, 2, subtype) as add:
            for start in range(0, count, 1000):
                add(samples[start : start + 1000])
        assert soundfile.info(path).format == form
        found = audio.read_file(path)
        assert found.subtype == subtype and found.samples.shape == samples.shape
        np.testing.assert_allclose(found.samples, samples, atol=2**-16)
        assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]
    with pytest.raises(InputError, match="AU files hold 4 GB at most"):
        audio.write(tmp_path / "a.au", voice(3 * COUNT), 16_000, subtype)
    monkeypatch.setattr(audio, "read_file", None)  # known before anything is read
    outcome = denoise(tmp_path / "a.wav", tmp_path / "b.aiff")
    assert "AIFF files hold 4 GB at most; name an output" in outcome.error


def test_memory_is_bounded_whatever_the_length(tmp_path):
    """Blocks of a source are as asked for, and the reader keeps no others."""
    import tracemalloc

    seconds, second = 40, voice(44_100, 44_100, 2)
    path = tmp_path / "a.m4a"
    with audio.open_writer(path, 44_100, 2, "ALAC_16") as add:
        for _ in range(seconds):
            add(second)
    tracemalloc.start()
    count = 0
    with audio.open_writer(tmp_path / "b.m4a", 44_100, 2) as add:
        for block in audio.FileSource(path).blocks(44_100):
            assert len(block) <= 44_100
            count += len(block)
            add(block)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == seconds * 44_100
    assert peak < 6 * 2**20  # all of it takes 14 MB


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_signed_integers_of_any_width(dtype):
    half = 2 ** (np.iinfo(dtype).bits - 2)
    found = audio.read(np.array([0, half, -half, -2 * half], dtype), 16_000)
    np.testing.assert_array_equal(found.samples[:, 0], [0, 0.5, -0.5, -1])
    assert found.samples.dtype == np.float32


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_unsigned_integers_are_offset_binary(dtype):
    half = 2 ** (np.iinfo(dtype).bits - 1)
    array = np.array([half, half + half // 2, 0], dtype)
    found = audio.read(array, 16_000).samples[:, 0]
    np.testing.assert_array_equal(found, [0, 0.5, -1])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_of_any_width(dtype):
    found = audio.read(voice(100).astype(dtype), 16_000).samples
    np.testing.assert_allclose(found, voice(100), atol=1e-3)
    assert found.dtype == np.float32


def test_lists_and_arrays_of_other_libraries():
    import jax.numpy as jnp

    import inr_jax

    plain = [0.0, 0.5, -0.25]
    for array in (plain, tuple(plain), jnp.array(plain), jnp.float16(jnp.array(plain))):
        found = inr_jax.denoise(array, 16_000, "noisy")
        assert isinstance(found, np.ndarray) and found.dtype == np.float32
        np.testing.assert_array_equal(found, np.float32(plain))
    bfloat16 = jnp.array(plain, jnp.bfloat16)
    np.testing.assert_array_equal(audio.as_array(bfloat16), np.float32(plain))
    integers = jnp.array([16_384, -32_768], jnp.int16)
    np.testing.assert_array_equal(audio.as_array(integers), [0.5, -1])
    for bad in ([100, -3], [[0.1], [0.2, 0.3]], ["a"], np.array([1j])):
        with pytest.raises(InputError):
            audio.read(bad, 16_000)


class Tensor:
    """What this library uses of a tensor of torch."""

    dtype, requires_grad = "torch.float32", True

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return np.float32([0.5, 0.25])


def test_tensors_of_torch():
    np.testing.assert_array_equal(audio.read(Tensor(), 8000).samples[:, 0], [0.5, 0.25])


def test_a_wav_file_needs_no_ffmpeg(tmp_path, monkeypatch):
    (tmp_path / "a.wav").write_bytes(by_libsndfile("WAV", "PCM_16"))
    (tmp_path / "a.mp3").write_bytes(by_libsndfile("MP3", None))
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(200))
    monkeypatch.setitem(sys.modules, "av", None)  # not installed
    assert not denoise(tmp_path / "a.wav", tmp_path / "b.flac").error
    for name in ("a.mp3", "a.m4a"):
        error = denoise(tmp_path / name, tmp_path / "b.wav").error
        assert f"{name}: cannot read: " in error and "python -m pip install av" in error
    error = denoise(tmp_path / "a.wav", tmp_path / "b.m4a").error
    assert "b.m4a: cannot write: this format needs PyAV" in error


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
        b"ffconcat version 1.0\nfile a.wav\n",
        b"1\n00:00:01,000 --> 00:00:02,000\nHello\n",
        bytes(50_000),
        np.random.default_rng(0).bytes(50_000),
    ],
)
def test_what_is_no_sound_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mp3: ") as error:
        audio.read_file(path)
    assert "\n" not in str(error.value)


def test_stretches_of_files_are_files():
    span = containers.Span(io.BytesIO(b"0123456789"), 2, 8)
    assert span.read() == b"234567" and span.tell() == 6
    assert span.seek(-2, 2) == 4 and span.read(9) == b"67"
    assert span.seek(-9) == -9 and span.read(9) == b""
    assert span.seek(2**70) == 2**70 and span.read(9) == b""
    assert span.seek(1) == 1 and span.seek(1, 1) == 2
    span.patch(3, b"xy")
    assert span.read() == b"4xy7"
    span.seek(4)
    assert span.read() == b"y7"


def test_fits_take_integers_at_their_full_scale():
    import jax

    import inr_jax

    config = inr_jax.FitConfig(num_steps=2, siren=inr_jax.SirenConfig(width=8, depth=1))
    signal = np.int16(2**15 * voice(64)[:, 0])
    losses = [
        inr_jax.fit(jax.random.key(0), x, 16_000, config).losses
        for x in (signal, signal / np.float32(2**15), list(signal / 2**15))
    ]
    np.testing.assert_allclose(losses[0], losses[1])
    np.testing.assert_allclose(losses[0], losses[2])
