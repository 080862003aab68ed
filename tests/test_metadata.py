"""What belongs to a recording goes from file to file, and the sound stays as it is.

Files are made by libsndfile, by FFmpeg and by hand, and read back by the libraries.
"""

import base64
import itertools
import os
import random
import resource
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile

from inr_jax.audio import metadata
from inr_jax.audio.metadata import aiff, caf, flac, id3, model, mp4, ogg, wav
from inr_jax.enhancement import files, registry

RATE = 16_000
TITLE, ARTIST = "Interview 7 – Nähe", "N. N."
COVER = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
CHAPTERS = [(0.0, "one"), (0.25, "two")]
# Suffix, libsndfile's format or FFmpeg's codec and format.
SNDFILE = {
    "wav": ("WAV", "PCM_16"),
    "wavex": ("WAVEX", "PCM_24"),
    "float": ("WAV", "FLOAT"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_24"),
    "caf": ("CAF", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
FFMPEG = {
    "m4a": ("aac", "ipod"),
    "alac": ("alac", "ipod"),
    "mp4": ("aac", "mp4"),
    "mov": ("pcm_s16le", "mov"),
    "mka": ("flac", "matroska"),
    "webm": ("libopus", "webm"),
}
KINDS = [*SNDFILE, *FFMPEG]


def sound(num_samples, channels=1):
    rng = np.random.default_rng(0)
    return np.float32(rng.uniform(-0.5, 0.5, (num_samples, channels)))


def make(path, kind, rate=RATE, channels=1, **options):
    """A file of half a second without metadata."""
    if kind in SNDFILE:
        form, subtype = SNDFILE[kind]
        samples = sound(rate // 2, channels)
        soundfile.write(path, samples, rate, subtype, format=form)
        return path
    codec, form = FFMPEG[kind]
    rate = 48_000 if kind == "webm" else rate
    if form in ("ipod", "mp4", "mov"):
        options["movie_timescale"] = str(rate)
    with av.open(str(path), "w", format=form, options=options) as out:
        layout = {1: "mono", 2: "stereo"}[channels]
        stream = out.add_stream(codec, rate=rate, layout=layout)
        resampler = av.AudioResampler(
            stream.codec_context.format, layout, rate, stream.codec_context.frame_size
        )
        samples = sound(rate // 2 + 7, channels).T.copy()  # no whole ms
        frame = av.AudioFrame.from_ndarray(samples, "fltp", layout)
        frame.sample_rate, frame.pts = rate, 0
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            if part is None or part.samples:
                out.mux(stream.encode(part))
    return path


def decoded(path, kind):
    if kind in SNDFILE:
        with open(path, "rb") as file:
            return soundfile.read(file, dtype="float32", always_2d=True)
    with av.open(str(path)) as file:
        rate = file.streams.audio[0].rate
        frames = [frame.to_ndarray() for frame in file.decode(audio=0)]
        return np.concatenate(frames, axis=1), rate


def tags(path):
    """Title, artist and more, as FFmpeg reads them."""
    with av.open(str(path)) as file:
        found = dict(file.metadata)
        if file.format.name == "ogg":
            found |= file.streams.audio[0].metadata
    return {key.lower(): value for key, value in found.items()}


def chapters(path):
    with av.open(str(path)) as file:
        return [
            (float(c["start"] * c["time_base"]), c["metadata"].get("title", ""))
            for c in file.chapters()
        ]


def covers(path):
    with av.open(str(path)) as file:
        return [
            bytes(next(file.demux(stream)))
            for stream in file.streams.video
            if stream.disposition & av.stream.Disposition.attached_pic
        ][:1]


def riff_chunk(name, payload):
    return name + struct.pack("<I", len(payload)) + payload + bytes(len(payload) % 2)


def aiff_chunk(name, payload):
    return name + struct.pack(">I", len(payload)) + payload + bytes(len(payload) % 2)


def with_chunks(path, front=b"", behind=b""):
    """Puts chunks into a small WAV or AIFF."""
    data = path.read_bytes()
    big = data[:4] == b"FORM"
    at = data.index(b"SSND" if big else b"data")
    data = data[:at] + front + data[at:] + behind
    size = struct.pack(">I" if big else "<I", len(data) - 8)
    path.write_bytes(data[:4] + size + data[8:])
    return path


def chunks_of(path):
    """Chunks of a WAV, AIFF or RF64 as (id, payload), by a walk of the test's own."""
    data = path.read_bytes()
    form, position, found = ">I" if data[:4] == b"FORM" else "<I", 12, []
    if data[:4] in (b"RIFF", b"FORM"):
        assert struct.unpack_from(form, data, 4)[0] == len(data) - 8
    while position < len(data):
        name, size = data[position : position + 4], data[position + 4 : position + 8]
        (size,) = struct.unpack(form, size)
        if size == 0xFFFFFFFF:
            (size,) = struct.unpack_from("<Q", data, 28)
        found.append((name, data[position + 8 : position + 8 + size]))
        position += 8 + size + size % 2
    assert position == len(data)
    return found


def cue_points(positions, labels=()):
    points = struct.pack("<I", len(positions))
    for number, start in enumerate(positions, 1):
        points += struct.pack("<II4sIII", number, start, b"data", 0, 0, start)
    adtl = b"adtl"
    for number, label in enumerate(labels, 1):
        text = label.encode() + b"\0"
        adtl += riff_chunk(b"labl", struct.pack("<I", number) + text)
    return riff_chunk(b"cue ", points) + riff_chunk(b"LIST", adtl)


def bext(reference):
    fields = struct.pack(
        "<256s32s32s10s8sQ",
        b"Take 3",
        b"Recorder",
        b"REF",
        b"2026-11-20",
        b"10:20:30",
        5,
    )
    fields = fields[:338] + struct.pack("<Q", reference) + b"\1\0" + bytes(254)
    return fields + b"A=PCM,F=16000,W=16,M=mono\r\n"


def rich(path, kind):
    """A file with title, artist, cover and chapters, made without the code tested."""
    if kind in ("wav", "wavex", "float"):
        info = b"INFO" + riff_chunk(b"INAM", TITLE.encode() + b"\0")
        info += riff_chunk(b"IART", ARTIST.encode() + b"\0")
        cues = cue_points(
            [int(t * RATE) for t, _ in CHAPTERS], [n for _, n in CHAPTERS]
        )
        tag = riff_chunk(b"id3 ", id3_tag([frame(b"APIC", apic())]))
        make(path, kind)
        return with_chunks(path, riff_chunk(b"LIST", info), cues + tag)
    if kind == "aiff":
        marks = struct.pack(">H", len(CHAPTERS))
        for number, (start, label) in enumerate(CHAPTERS, 1):
            label = label.encode()
            marks += struct.pack(">HIB", number, int(start * RATE), len(label)) + label
            marks += bytes((len(label) + 1) % 2)
        front = aiff_chunk(b"NAME", TITLE.encode()) + aiff_chunk(
            b"AUTH", ARTIST.encode()
        )
        tag = aiff_chunk(b"ID3 ", id3_tag([frame(b"APIC", apic())]))
        return with_chunks(make(path, kind), front, aiff_chunk(b"MARK", marks) + tag)
    if kind in ("caf", "rf64", "w64"):
        form, subtype = SNDFILE[kind]
        with soundfile.SoundFile(path, "w", RATE, 1, subtype, format=form) as file:
            if kind != "w64":
                file.title, file.artist = TITLE, ARTIST
            file.write(sound(RATE // 2))
        return path
    if kind == "flac":
        picture = struct.pack(">II", 3, 9) + b"image/png" + bytes(20)
        picture += struct.pack(">I", len(COVER)) + COVER
        make(path, kind)
        data = path.read_bytes()
        blocks = comments(b"CHAPTER001=00:00:00.000", b"CHAPTER001NAME=one")
        blocks = b"\4" + len(blocks).to_bytes(3, "big") + blocks
        blocks += b"\6" + len(picture).to_bytes(3, "big") + picture
        blocks += b"\2\0\0\7" + b"testabc"
        path.write_bytes(
            b"fLaC\0" + data[5:42] + blocks + b"\xe4\0\0\3xyz" + flac_sound(data)
        )
        return path
    if kind in ("ogg", "opus"):
        form, subtype = SNDFILE[kind]
        with soundfile.SoundFile(path, "w", RATE, 1, subtype, format=form) as file:
            file.title, file.artist = TITLE, ARTIST
            file.write(sound(RATE // 2))
        return path
    if kind == "mp3":
        frames = [frame(b"TIT2", b"\3" + TITLE.encode())]
        frames += [frame(b"TPE1", b"\3" + ARTIST.encode()), frame(b"APIC", apic())]
        for i, (start, label) in enumerate(CHAPTERS):
            times = struct.pack(">IIII", int(start * 1000), 500, 2**32 - 1, 2**32 - 1)
            title = frame(b"TIT2", b"\3" + label.encode())
            frames.append(frame(b"CHAP", b"c%d\0" % i + times + title))
        make(path, kind)
        path.write_bytes(id3_tag(frames) + path.read_bytes() + b"TAG" + bytes(125))
        return path
    plain = make(path.with_suffix(".plain"), kind)
    with (
        av.open(str(plain)) as old,
        av.open(str(path), "w", format=FFMPEG[kind][1]) as new,
    ):
        copy = new.add_stream_from_template(old.streams.audio[0])
        new.metadata.update({"title": TITLE, "artist": ARTIST})
        ms = Fraction(1, 1000)
        starts = [round(start * 1000) for start, _ in CHAPTERS] + [500]
        new.set_chapters(
            [
                {
                    "id": i,
                    "start": a,
                    "end": b,
                    "time_base": ms,
                    "metadata": {"title": n},
                }
                for i, (a, b, (_, n)) in enumerate(
                    zip(starts, starts[1:], CHAPTERS, strict=False), 1
                )
            ]
        )
        if kind == "mka":
            new.add_attachment("cover.png", "image/png", COVER)
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = copy
                new.mux(packet)
    return path


def frame(name, payload):
    size = bytes(len(payload) >> shift & 127 for shift in (21, 14, 7, 0))
    return name + size + bytes(2) + payload


def id3_tag(frames):
    body = b"".join(frames)
    return b"ID3\4\0\0" + bytes(len(body) >> s & 127 for s in (21, 14, 7, 0)) + body


def apic():
    return b"\3image/png\0\3\0" + COVER


def comments(*more):
    texts = [
        f"TITLE={TITLE}".encode(),
        f"artist={ARTIST}".encode(),
        b"MOOD=calm",
        *more,
    ]
    texts.append(b"ENCODER=another")
    data = struct.pack("<I", 4) + b"test" + struct.pack("<I", len(texts))
    return data + b"".join(struct.pack("<I", len(t)) + t for t in texts)


def flac_sound(data):
    position = 4
    while True:
        head = data[position : position + 4]
        position += 4 + int.from_bytes(head[1:], "big")
        if head[0] & 128:
            return data[position:]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    return {kind: rich(folder / f"x.{kind}", kind) for kind in KINDS}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The bytes of a file of each kind, at another rate where it has one."""
    folder = tmp_path_factory.mktemp("plain")
    return {k: make(folder / f"x.{k}", k, 48_000).read_bytes() for k in KINDS}


@pytest.mark.parametrize("target_kind", KINDS)
def test_every_kind_to_every_kind(tmp_path, sources, plain, target_kind):
    """Title, artist, cover and chapters, in 17 x 17 pairs of kinds."""
    path = tmp_path / "target.part"
    for kind, source in sources.items():
        path.write_bytes(plain[target_kind])
        before, rate = decoded(path, target_kind)
        lost = metadata.carry(source, path)
        after, same_rate = decoded(path, target_kind)
        assert rate == same_rate
        np.testing.assert_array_equal(before, after)
        assert os.listdir(tmp_path) == ["target.part"]
        if kind == "w64":
            continue
        found = tags(path)
        if target_kind == "w64":
            with open(path, "rb") as file:
                found = wav.read(file).tags
                pictures = wav.read(file).pictures
            assert (found["TITLE"], found["ARTIST"]) == ([TITLE], [ARTIST])
            assert [p.data for p in pictures] == covers(source)
        elif target_kind != "caf":
            assert found.get("title") == TITLE, (kind, found)
            artist = found.get("artist") or found.get("author")
            assert artist == ARTIST, (kind, found)
        else:
            with soundfile.SoundFile(path) as file:
                assert (file.title, file.artist) == (TITLE, ARTIST)
        if covers(source) and target_kind != "w64":
            assert covers(path) == [COVER] or "cover art" in lost, (kind, lost)
        if chapters(source):
            expected = chapters(source)
            if target_kind in ("wav", "wavex", "float", "rf64", "w64", "aiff"):
                with open(path, "rb") as file:
                    found = wav.read(file) if target_kind != "aiff" else aiff.read(file)
                marks = [(float(m.start), m.label) for m in found.markers]
                assert marks == expected
            else:
                assert chapters(path) == expected or "markers" in lost, (kind, lost)


def random_chunks(rng, build, reserved):
    """Chunks of random names, sizes and contents, and some that nobody knows."""
    made = []
    for _ in range(rng.randrange(6)):
        name = bytes(rng.choices(b"abcxyz AB01", k=4))
        if name not in reserved:
            made.append((name, rng.randbytes(rng.choice([0, 1, 2, 7, 100, 4097]))))
    return made, b"".join(build(*each) for each in made)


@pytest.mark.parametrize("kind", ["wav", "float", "aiff", "rf64", "w64"])
def test_unknown_chunks_stay_in_their_places(tmp_path, kind):
    """Any order, sizes odd and even; 25 files of each of five kinds."""
    big = kind == "aiff"
    rng, build = random.Random(kind), aiff_chunk if big else riff_chunk
    source, target = tmp_path / "source", tmp_path / "target"
    plain = make(tmp_path / "plain", kind, 8002).read_bytes()
    base = make(tmp_path / "base", "aiff" if big else "wav", 8002).read_bytes()
    for _ in range(25):
        source.write_bytes(base)
        front, front_bytes = random_chunks(rng, build, ())
        behind, behind_bytes = random_chunks(rng, build, ())
        with_chunks(source, front_bytes, behind_bytes)
        target.write_bytes(plain)
        before = decoded(target, kind)[0]
        assert metadata.carry(source, target) == []
        np.testing.assert_array_equal(decoded(target, kind)[0], before)
        if kind == "w64":
            with open(target, "rb") as file:
                blocks = wav.read(file).blocks
            found = [(b.id, b.payload) for b in blocks if b.id != b"fmt "]
            assert found == front + behind
            continue
        found = chunks_of(target)
        if kind == "rf64":  # libsndfile forgets the pad of odd ones
            behind = [c for c in front if len(c[1]) % 2] + behind
            front = [c for c in front if not len(c[1]) % 2]
        at = [name for name, _ in found].index(b"SSND" if big else b"data")
        own = {b"fmt ", b"fact", b"PEAK", b"ds64", b"COMM", b"FVER"}
        assert [each for each in found[:at] if each[0] not in own] == front
        assert found[at + 1 :] == behind


def test_positions_follow_the_rate(tmp_path):
    """Cue points, regions, loops and the time of day, from 16 to 48 kHz and back."""
    region = struct.pack("<II4s", 1, 300, b"rgn ") + bytes(8)
    smpl = struct.pack("<9I", 0, 0, 62_500, 60, 0, 0, 0, 1, 0)
    smpl += struct.pack("<6I", 0, 0, 10, 2000, 0, 0)
    front = riff_chunk(b"bext", bext(160_000))
    behind = cue_points([0, 1000, 15_999], ["a", "bc"])
    behind += riff_chunk(b"LIST", b"adtl" + riff_chunk(b"ltxt", region))
    behind += riff_chunk(b"smpl", smpl)
    source = with_chunks(make(tmp_path / "a.wav", "wav"), front, behind)
    there = make(tmp_path / "b.wav", "wav", 48_000)
    back = make(tmp_path / "c.wav", "wav")
    assert metadata.carry(source, there) == []
    found = dict(chunks_of(there)[3:])
    assert struct.unpack_from("<III", found[b"cue "], 4)[:2] == (1, 0)
    assert struct.unpack_from("<I", found[b"cue "], 4 + 24 + 4) == (3000,)
    assert struct.unpack_from("<I", found[b"cue "], 4 + 48 + 20) == (47_997,)
    assert struct.unpack_from("<I", found[b"LIST"], 4 + 8 + 4) == (900,)
    assert struct.unpack_from("<II", found[b"smpl"], 44) == (30, 6000)
    assert struct.unpack_from("<I", found[b"smpl"], 8) == (20_833,)
    (first, *_) = (payload for name, payload in chunks_of(there) if name == b"bext")
    assert struct.unpack_from("<Q", first, 338) == (480_000,)
    assert tags(there)["time_reference"] == "480000"
    assert metadata.carry(there, back) == []
    ours, theirs = dict(chunks_of(source)), dict(chunks_of(back))
    for name in (b"bext", b"cue ", b"LIST"):
        assert ours[name] == theirs[name]


@pytest.mark.parametrize("via", ["flac", "mka", "ogg", "mp3", "m4a"])
def test_time_of_day_survives_another_format(tmp_path, via):
    chunk = riff_chunk(b"bext", bext(160_000))
    source = with_chunks(make(tmp_path / "a.wav", "wav"), chunk)
    there = make(tmp_path / f"b.{via}", via, 48_000)
    back = make(tmp_path / "c.wav", "wav")
    assert metadata.carry(source, there) == []
    assert metadata.carry(there, back) == []
    found = dict(chunks_of(back))[b"bext"]
    assert found[:338] == bext(0)[:338]
    in_samples = struct.unpack_from("<Q", found, 338)
    assert in_samples == (160_000,)


def test_speakers_and_valid_bits_stay(tmp_path):
    """The extensible format with its mask, where libsndfile writes the plain one."""
    source = make(tmp_path / "a.wav", "wavex", channels=2)
    data = bytearray(source.read_bytes())
    at = data.index(b"fmt ") + 8
    assert data[at : at + 2] == b"\xfe\xff"
    struct.pack_into("<HI", data, at + 18, 20, 0x600)  # 20 bits; side left and right
    source.write_bytes(data)
    same = tmp_path / "b.wav"
    soundfile.write(same, sound(100, 2), RATE, "PCM_24")
    assert metadata.carry(source, same) == []
    assert dict(chunks_of(same))[b"fmt "] == bytes(data[at : at + 40])
    other = tmp_path / "c.wav"
    soundfile.write(other, sound(100, 2), RATE, "FLOAT")
    before = decoded(other, "wav")[0]
    metadata.carry(source, other)
    form = dict(chunks_of(other))[b"fmt "]
    assert struct.unpack_from("<HI", form, 18) == (32, 0x600)
    assert soundfile.info(other).format == "WAVEX"
    np.testing.assert_array_equal(decoded(other, "wav")[0], before)
    through = make(tmp_path / "d.flac", "flac", channels=2)
    back = make(tmp_path / "e.wav", "wav", channels=2)
    metadata.carry(source, through)
    metadata.carry(through, back)
    assert struct.unpack_from("<I", dict(chunks_of(back))[b"fmt "], 20) == (0x600,)
    mono = make(tmp_path / "f.wav", "wav")
    metadata.carry(source, mono)
    assert len(dict(chunks_of(mono))[b"fmt "]) == 16


def test_large_files_become_rf64(tmp_path, monkeypatch):
    source = with_chunks(
        make(tmp_path / "a.wav", "wav"), b"", riff_chunk(b"iXML", b"<x/>")
    )
    target = make(tmp_path / "b.wav", "float")
    before = decoded(target, "wav")[0]
    monkeypatch.setattr(wav, "LARGEST_RIFF", 30_000)
    assert metadata.carry(source, target) == []
    data = target.read_bytes()
    assert data[:8] == b"RF64\xff\xff\xff\xff"
    assert struct.unpack_from("<QQQ", data, 20) == (len(data) - 8, 2 * RATE, RATE // 2)
    assert chunks_of(target)[-1] == (b"iXML", b"<x/>")
    assert soundfile.info(target).format == "RF64"
    np.testing.assert_array_equal(decoded(target, "wav")[0], before)


def test_blocks_of_flac_stay(tmp_path, sources):
    target = make(tmp_path / "b.flac", "flac", 48_000)
    vendor = target.read_bytes()[46:].split(b"libFLAC")[1][:6]
    assert metadata.carry(sources["flac"], target) == []
    data = target.read_bytes()
    assert b"\2\0\0\7testabc\xe4\0\0\3xyz" in data
    assert b"MOOD=calm" in data and b"another" not in data
    assert b"libFLAC" + vendor in data


def test_cue_sheets_follow_the_rate(tmp_path):
    sheet = bytes(128) + struct.pack(">Q", 88_200) + bytes(259) + b"\1"
    track = struct.pack(">Q", 1000) + b"\1" + bytes(26) + b"\2"
    index = struct.pack(">Q", 0) + bytes(4) + struct.pack(">Q", 40) + b"\1\0\0\0"
    payload = sheet + track + index
    block = bytes([flac.CUESHEET]) + len(payload).to_bytes(3, "big") + payload
    source = make(tmp_path / "a.flac", "flac")
    data = source.read_bytes()
    source.write_bytes(data[:42] + block + data[42:])
    target = make(tmp_path / "b.flac", "flac", RATE // 2)
    assert metadata.carry(source, target) == []
    with open(target, "rb") as file:
        (block,) = (b for b in flac.read(file).blocks if b.kind == flac.CUESHEET)
    assert struct.unpack_from(">Q", block.payload, 128) == (44_100,)
    assert struct.unpack_from(">Q", block.payload, 396) == (500,)
    assert struct.unpack_from(">Q", block.payload, 396 + 36 + 12) == (20,)
    assert len(block.payload) == len(payload)


def test_markers_of_caf_follow_the_rate(tmp_path):
    mark = struct.pack(">IdI8sI", 0, 1000.0, 1, bytes(8), 0)
    chunk = b"mark" + struct.pack(">q", 8 + 28) + struct.pack(">II", 1, 0) + mark
    source = make(tmp_path / "a.caf", "caf")
    data = source.read_bytes()
    source.write_bytes(data[:8] + data[8:52] + chunk + data[52:])
    target = make(tmp_path / "b.caf", "caf", 48_000)
    before = decoded(target, "caf")[0]
    assert metadata.carry(source, target) == []
    with open(target, "rb") as file:
        (block,) = (b for b in caf.read(file).blocks if b.id == b"mark")
    assert struct.unpack_from(">d", block.payload, 12) == (3000.0,)
    np.testing.assert_array_equal(decoded(target, "caf")[0], before)


def test_regions_of_caf_are_named_at_another_rate(tmp_path):
    chunk = b"regn" + struct.pack(">q", 8) + bytes(8)
    source = make(tmp_path / "a.caf", "caf")
    data = source.read_bytes()
    source.write_bytes(data[:52] + chunk + data[52:])
    assert metadata.carry(source, make(tmp_path / "b.caf", "caf")) == []
    lost = metadata.carry(source, make(tmp_path / "c.caf", "caf", 48_000))
    assert lost == ["positions"]
    assert b"regn" not in (tmp_path / "c.caf").read_bytes()


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "caf", "ogg"])
def test_an_id3_tag_in_front_is_carried_with_the_rest(tmp_path, sources, kind):
    tag = id3_tag([frame(b"TCON", b"\3talk")])
    path = tmp_path / f"a.{kind}"
    path.write_bytes(tag + sources[kind].read_bytes())
    plain = make(tmp_path / f"b.{kind}", kind)
    assert "markers" not in metadata.carry(path, plain) or kind == "caf"
    assert tags(plain)["title"] == TITLE and b"talk" in plain.read_bytes()
    other = make(tmp_path / "c.mka", "mka")
    metadata.carry(path, other)
    assert (tags(other)["title"], tags(other)["genre"]) == (TITLE, "talk")


@pytest.mark.parametrize("kind", ["aiff", "m4a", "mka"])
def test_speakers_that_no_place_is_for_are_named(tmp_path, kind):
    source = make(tmp_path / "a.wav", "wavex", channels=2)
    data = bytearray(source.read_bytes())
    struct.pack_into("<I", data, data.index(b"fmt ") + 28, 0x600)
    source.write_bytes(data)
    lost = metadata.carry(source, make(tmp_path / f"b.{kind}", kind, channels=2))
    assert lost == ["channel mask"]


def test_attachments_of_sound_are_named(tmp_path):
    make(tmp_path / "a.mka", "mka")
    with (
        av.open(str(tmp_path / "a.mka")) as old,
        av.open(str(tmp_path / "b.mka"), "w", format="matroska") as new,
    ):
        copy = new.add_stream_from_template(old.streams.audio[0])
        new.add_attachment("notes.pdf", "application/pdf", b"%PDF" * 20)
        for packet in old.demux(audio=0):
            if packet.size:
                packet.stream = copy
                new.mux(packet)
    lost = metadata.carry(tmp_path / "b.mka", make(tmp_path / "c.mka", "mka"))
    assert lost == ["attachments"]


@pytest.mark.parametrize("kind", ["ogg", "opus"])
@pytest.mark.parametrize("size", [0, 254, 255, 65_000, 65_025, 400_000])
def test_covers_of_any_size_in_ogg(tmp_path, kind, size):
    """Pages become more, and those of the sound get other numbers."""
    cover = COVER + bytes(size)
    picture = struct.pack(">II", 3, 9) + b"image/png" + bytes(20)
    picture += struct.pack(">I", len(cover)) + cover
    block = b"METADATA_BLOCK_PICTURE=" + base64.b64encode(picture)
    source = rich(tmp_path / f"a.{kind}", kind)
    target = make(tmp_path / f"b.{kind}", kind)
    before = decoded(target, kind)[0]
    with open(source, "rb") as file:
        found = ogg.read(file)
    found.pictures = [model.Picture("image/png", cover)]
    assert ogg.write(source, found) == []
    assert block[:200] in source.read_bytes().replace(b"\xff" * 300, b"")
    assert metadata.carry(source, target) == []
    assert covers(target) == [cover]
    np.testing.assert_array_equal(decoded(target, kind)[0], before)
    assert metadata.carry(make(tmp_path / f"c.{kind}", kind), target) == []
    assert target.read_bytes()[:4] == b"OggS"


def test_tags_around_mp3_stay_byte_for_byte(tmp_path):
    front = id3_tag([frame(b"TIT2", b"\3x"), frame(b"PRIV", b"a\0" + bytes(99))])
    tag = b"TAG" + b"old".ljust(125, b"\0")
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0) + bytes(8)
    source, target = make(tmp_path / "a.mp3", "mp3"), make(tmp_path / "b.mp3", "mp3")
    source.write_bytes(front + source.read_bytes() + ape + tag)
    own = target.read_bytes()
    for _ in range(2):  # once more, it replaces what it wrote
        assert metadata.carry(source, target) == []
        assert target.read_bytes() == front + own + ape + tag


def test_id3_of_every_version():
    """Text in every encoding and version is the same text."""
    texts = [b"\0\xe9t\xe9", b"\1" + "été".encode("utf-16"), b"\3" + "été".encode()]
    texts.append(b"\2" + "été".encode("utf-16-be"))
    for version, payload in itertools.product((2, 3, 4), texts):
        size = len(payload)
        name = b"TT2" + size.to_bytes(3, "big") if version == 2 else b""
        name = name or b"TIT2" + size.to_bytes(4, "big") + bytes(2)
        body = name + payload + bytes(20)
        tag = b"ID3" + bytes([version, 0, 0, 0, 0, 0, len(body)]) + body
        found = model.Metadata("")
        id3.read(tag, found)
        assert found.tags == {"TITLE": ["été"]}, (version, payload)


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
def test_boxes_of_mp4_stay(tmp_path, options):
    """Tags in words and covers; the gapless tag of the former encoder does not."""
    source = make(tmp_path / "a.m4a", "m4a")
    found = model.Metadata("", tags={"TITLE": [TITLE], "MOOD": ["calm"]})
    found.tags |= {"ITUNSMPB": ["0"], "TRACKNUMBER": ["3/9"]}
    found.pictures = [model.Picture("image/png", COVER)]
    mp4.write(source, found)
    data = source.read_bytes()
    source.write_bytes(data.replace(b"ITUNSMPB", b"iTunSMPB"))
    target = make(tmp_path / "b.m4a", "m4a", 48_000, **options)
    data = target.read_bytes()
    assert (data.index(b"moov") < data.index(b"mdat")) == bool(options)
    before = decoded(target, "m4a")[0]
    assert metadata.carry(source, target) == []
    np.testing.assert_array_equal(decoded(target, "m4a")[0], before)
    found = tags(target)
    assert (found["title"], found["track"], found["mood"]) == (TITLE, "3/9", "calm")
    assert covers(target) == [COVER] and b"iTunSMPB" not in target.read_bytes()


def test_what_cannot_be_carried_is_named(tmp_path, sources):
    behind = riff_chunk(b"iXML", b"<BWFXML/>") + cue_points([5], ["x"])
    source = with_chunks(make(tmp_path / "a.wav", "wav"), b"", behind)
    assert metadata.carry(source, make(tmp_path / "b.flac", "flac")) == ["iXML"]
    lost = metadata.carry(source, make(tmp_path / "b.caf", "caf"))
    assert lost == ["markers", "iXML"]
    soundfile.write(tmp_path / "b.au", sound(100), RATE)
    lost = metadata.carry(sources["mp3"], tmp_path / "b.au")
    assert lost == ["tags", "cover art", "markers"]
    plain = make(tmp_path / "c.wav", "wav")
    assert metadata.carry(plain, tmp_path / "b.au") == []


@pytest.mark.parametrize("kind", KINDS)
def test_damage_never_reaches_the_sound(tmp_path, sources, plain, kind):
    """Cut, overwritten and oversized: 24 damaged sources of each of 17 kinds."""
    rng = random.Random(kind)
    whole = sources[kind].read_bytes()
    source, target = tmp_path / "source", tmp_path / "target"
    targets = itertools.cycle(["wav", kind, "flac", "mp3", "aiff", "ogg"])
    expected = {}
    for i, target_kind in zip(range(24), targets, strict=False):
        data = bytearray(whole)
        ends = [min(len(data), 3000), len(data)]
        for _ in range(rng.randrange(1, 9)):
            at = rng.randrange(rng.choice(ends))
            if rng.random() < 0.5:  # from the end, where much of it is
                at = len(data) - 1 - at
            data[at : at + 4] = rng.choice([b"\xff" * 4, bytes(4), rng.randbytes(4)])
        source.write_bytes(data[: rng.randrange(len(data))] if i % 4 == 0 else data)
        target.write_bytes(plain[target_kind])
        if target_kind not in expected:
            expected[target_kind] = decoded(target, target_kind)[0]
        metadata.carry(source, target)
        after = decoded(target, target_kind)[0]
        np.testing.assert_array_equal(after, expected[target_kind])


def test_memory_is_bounded(tmp_path, monkeypatch):
    """What is too large is named, and the rest carried."""
    monkeypatch.setattr(model, "LARGEST", 1000)
    front = riff_chunk(b"iXML", bytes(900)) + riff_chunk(b"_PMX", bytes(900))
    source = with_chunks(make(tmp_path / "a.wav", "wav"), front)
    target = make(tmp_path / "b.wav", "wav")
    assert metadata.carry(source, target) == ["XMP"]
    assert dict(chunks_of(target))[b"iXML"] == bytes(900)


def test_a_full_disk_leaves_the_sound(tmp_path, sources):
    """No file may grow beyond half of the target, as on a disk that is full then."""
    target = make(tmp_path / "b.wav", "wav")
    before = target.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        left_out = metadata.carry(sources["wav"], target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "tags" in left_out
    assert target.read_bytes() == before
    assert os.listdir(tmp_path) == ["b.wav"]


def denoise(source, target, *args):
    """Denoises one file by a method that changes nothing; what became of it."""
    job = files.Job(str(source), str(target), *args)
    method = registry.make("noisy")
    done = files.denoise(method, [job], {}, files.DryWetMix(), keep_times=True)
    (outcome,) = done
    return outcome


def test_denoised_files_keep_what_belongs_to_them(tmp_path, sources):
    """Output and what was removed; what cannot be carried is one remark."""
    residual = tmp_path / "removed.flac"
    os.utime(sources["flac"], (1_000_000_000, 1_234_567_890))
    outcome = denoise(sources["flac"], tmp_path / "a.flac", residual)
    assert (outcome.error, outcome.remark) == ("", "")
    for path in (tmp_path / "a.flac", residual):
        assert tags(path)["title"] == TITLE and covers(path) == [COVER]
        assert path.stat().st_mtime == 1_234_567_890
    outcome = denoise(sources["flac"], tmp_path / "a.wav", None)
    assert outcome.remark == (
        f"{tmp_path / 'a.wav'}: could not carry over: application data, block 100"
    )
    assert tags(tmp_path / "a.wav")["title"] == TITLE


def test_file_times_stay_on_request(tmp_path, sources, run_command):
    source, target = str(sources["wav"]), tmp_path / "a.wav"
    os.utime(source, (1_000_000_000, 1_111_111_111))
    for args, is_kept in (((), False), (("--keep_times",), True)):
        command = ("denoise", source, f"--output={target}", "--method=noisy", *args)
        code, _, err = run_command(*command)
        assert code == 0, err
        assert (target.stat().st_mtime == 1_111_111_111) == is_kept


@pytest.mark.parametrize("form", ["mp4", "matroska"])
def test_pictures_of_films_stay(tmp_path, sources, form):
    """Packets of the film before and after."""
    path = tmp_path / "film"
    with av.open(str(path), "w", format=form) as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        audio = out.add_stream("aac", rate=RATE, layout="mono")
        for i in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 40 * i, np.uint8))
            out.mux(stream.encode(frame))
        frame = av.AudioFrame.from_ndarray(sound(1024).T.copy(), "fltp", "mono")
        frame.sample_rate = RATE
        out.mux([*audio.encode(frame), *stream.encode(None), *audio.encode(None)])

    def packets():
        with av.open(str(path)) as film:
            return [(p.stream_index, p.pts, bytes(p)) for p in film.demux() if p.size]

    before = packets()
    assert len(before) > 5
    metadata.carry(sources["m4a"], path)
    assert packets() == before
    if form == "mp4":
        assert tags(path)["title"] == TITLE


@pytest.mark.parametrize("kind", ["wav", "aiff"])
def test_sound_is_never_taken_for_metadata(tmp_path, kind):
    """Recorders that did not finish, and files one behind the other."""
    build = aiff_chunk if kind == "aiff" else riff_chunk
    front = build(b"NAME", b"x")
    source, target = tmp_path / "source", make(tmp_path / "target", kind)
    whole = with_chunks(make(source, kind), front).read_bytes()
    at = whole.index(b"SSND" if kind == "aiff" else b"data") + 4
    expected = len(target.read_bytes()) + len(front)
    for size in (bytes(4), b"\xff\xff\xff\xff"):
        source.write_bytes(whole[:at] + size + whole[at + 4 :])
        assert metadata.carry(source, target) == []
        assert len(target.read_bytes()) == expected
    source.write_bytes(whole + whole)
    assert metadata.carry(source, target) == []
    assert len(target.read_bytes()) == expected


def test_playlists_open_nothing(tmp_path):
    """A file that names others is not a recording with metadata of theirs."""
    other = make(tmp_path / "other.m4a", "m4a")
    mp4.write(other, model.Metadata("", tags={"TITLE": ["other"]}))
    source, target = tmp_path / "a.wav", make(tmp_path / "b.wav", "wav")
    source.write_text(f"#EXTM3U\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n")
    before = target.read_bytes()
    assert metadata.carry(source, target) == []
    assert target.read_bytes() == before
