"""Nothing below a folder is left out in silence, and nothing is done twice."""

import numpy as np
import pytest
import soundfile
from conftest import run_script

from inr_jax import audio
from inr_jax.data import datasets, decoded_cache, folders
from inr_jax.enhancement import files
from inr_jax.errors import InputError, listed

SOUND = 0.1 * np.random.default_rng(0).standard_normal(800)


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, SOUND, 16_000)
    return path


def found(root):
    """Paths of clips below a root."""
    clips = datasets.find(root).clips
    return [str(clip.path.relative_to(root)) for clip in clips]


def link_beside(root):
    put(root.parent / "other" / "b.wav")
    (root / "link").symlink_to(root.parent / "other")
    return ["a.wav", "link/b.wav"]


def link_of_a_link(root):
    put(root.parent / "other" / "b.wav")
    (root.parent / "first").symlink_to(root.parent / "other")
    (root / "link").symlink_to(root.parent / "first")
    return ["a.wav", "link/b.wav"]


def links_within_links(root):
    put(root.parent / "one" / "b.wav")
    put(root.parent / "two" / "c.wav")
    (root.parent / "one" / "deep").symlink_to(root.parent / "two")
    (root / "link").symlink_to(root.parent / "one")
    return ["a.wav", "link/b.wav", "link/deep/c.wav"]


def link_to_itself(root):
    (root / "loop").symlink_to(root)
    return ["a.wav"]


def link_to_what_is_above(root):
    put(root.parent / "sibling" / "b.wav")
    (root / "loop").symlink_to(root.parent)
    return ["a.wav"]


def links_to_each_other(root):
    for one, other in (("x", "y"), ("y", "x")):
        put(root.parent / one / f"{one}.wav")
        (root.parent / one / "other").symlink_to(root.parent / other)
    (root / "link").symlink_to(root.parent / "x")
    return ["a.wav", "link/other/y.wav", "link/x.wav"]


def link_to_a_folder_inside(root):
    """By its own path, whichever comes first."""
    put(root / "z" / "b.wav")
    (root / "b").symlink_to(root / "z")
    return ["a.wav", "z/b.wav"]


def two_links_to_one(root):
    put(root.parent / "other" / "b.wav")
    for name in ("x", "y"):
        (root / name).symlink_to(root.parent / "other")
    return ["a.wav", "x/b.wav"]


def link_to_nowhere(root):
    (root / "link").symlink_to(root / "nowhere")
    return ["a.wav"]


def link_to_a_file(root):
    (root / "b.wav").symlink_to(root / "a.wav")
    return ["a.wav", "b.wav"]


@pytest.mark.parametrize(
    "make",
    [
        *(link_beside, link_of_a_link, links_within_links, link_to_itself),
        *(link_to_what_is_above, links_to_each_other, link_to_a_folder_inside),
        *(two_links_to_one, link_to_nowhere, link_to_a_file),
    ],
    ids=lambda make: make.__name__,
)
def test_links_are_followed_and_end(tmp_path, make):
    root = tmp_path / "root"
    put(root / "a.wav")
    expected = make(root)
    assert found(root) == expected
    through = tmp_path / "through"
    through.symlink_to(root)  # the root may be a link as well
    assert found(through) == expected


def test_a_linked_folder_is_denoised_with_the_tree(tmp_path):
    put(tmp_path / "root" / "a.wav")
    put(tmp_path / "other" / "b.wav")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "other")
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root")
    out = tmp_path / "root" / "out"  # no input of the second run
    for _ in range(2):
        args = (str(tmp_path / "root"), f"--output={out}", "--method=noisy")
        run_script("denoise.py", *args)
        names = sorted(str(p.relative_to(out)) for p in out.rglob("*.wav"))
        assert names == ["a.wav", "link/b.wav"]
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["b.wav"]


UNREADABLE = ("a.m4p", "b.aax", "deep/c.VQF", "deep/d.dss", "e.rm")


@pytest.fixture(autouse=True)
def no_readers(monkeypatch):
    """Of these formats, whatever is installed."""
    is_audio = audio.is_audio
    endings = {name[-4:].lower().lstrip(".") for name in UNREADABLE} | {"rm"}
    monkeypatch.setattr(
        audio, "is_audio", lambda p: p.suffix[1:].lower() not in endings and is_audio(p)
    )


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_looks_like_sound_and_cannot_be_read_is_named(tmp_path, name):
    put(tmp_path / "good.wav")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(bytes(100))
    out = tmp_path.parent / "out"
    args = (str(tmp_path), f"--output={out}", "--method=noisy")
    done = run_script("denoise.py", *args, expect=2)
    (line,) = (x for x in done.stderr.splitlines() if x.startswith("error: "))
    assert line.endswith(
        f"left out sound or video of formats that cannot be read: {name}"
    )
    assert (out / "good.wav").exists()


def test_where_nothing_can_be_read_that_is_said(tmp_path):
    for name in UNREADABLE:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(100))
    message = "no audio files in this folder; .* a.m4p, b.aax, deep/c.VQF and 2 more"
    with pytest.raises(InputError, match=message):
        datasets.find(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "._a.wav",
        ".hidden.flac",
        ".DS_Store",
        ".Trashes/a.wav",
        ".git/a.wav",
        "x/._b.mp3",
    ],
)
def test_hidden_files_are_no_sound_and_are_counted(tmp_path, name):
    root, out = tmp_path / "in", tmp_path / "out"
    put(root / "a.wav")
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes(b"no sound")
    args = (str(root), f"--output={out}", "--method=noisy")
    last = run_script("denoise.py", *args).stderr.splitlines()[-1]
    hidden = root / (name.split("/")[0] if name.startswith(".") else name)
    assert last == f"not denoised: 1 hidden ({hidden})"
    assert [path.name for path in out.iterdir() if path.name != files.RECORD] == [
        "a.wav"
    ]


def test_hidden_files_are_counted_where_nothing_else_is_done(tmp_path):
    for name in ("a.wav", "._a.wav"):
        (tmp_path / name).write_bytes(b"")
    args = (str(tmp_path), f"--output={tmp_path / 'out'}", "--method=noisy")
    last = run_script("denoise.py", *args, expect=2).stderr.splitlines()[-1]
    assert last.endswith(f"1 hidden ({tmp_path}/._a.wav)")


def test_the_end_says_what_was_done_and_what_was_not(tmp_path):
    root, out = tmp_path / "in", tmp_path / "out"
    for name in ("a", "b", "c"):
        put(root / f"{name}.wav")
    args = (str(root), f"--output={out}", "--method=noisy")
    run_script("denoise.py", *args)
    put(root / "d.wav")
    for i in range(5):
        (root / f"bad {i}.wav").write_bytes(b"")
        (root / f"._{i}.wav").write_bytes(b"")
    (root / "e.rm").write_bytes(b"")
    done = run_script("denoise.py", *args, expect=2)
    denoised, others = done.stderr.splitlines()[-2:]
    assert denoised.startswith("denoised 1 file, 0.1 s of sound in ")
    groups = others.removeprefix("not denoised: ").split("; ")
    assert groups[0].startswith(f"3 done already ({root}/a.wav, ")
    assert groups[1] == (
        f"5 failed ({root}/bad 0.wav, {root}/bad 1.wav, {root}/bad 2.wav and 2 more)"
    )
    assert groups[2].startswith(f"5 hidden ({root}/._0.wav, ")
    assert groups[3] == "see the errors above for what cannot be read"
    assert done.stderr.count("error: ") == 6


def test_records_of_what_is_done_are_not_counted_as_hidden(tmp_path):
    """A folder whose outputs are inputs of the next run."""
    put(tmp_path / "a" / "x.wav")
    first, second = tmp_path / "b", tmp_path / "c"
    for source, out in ((tmp_path / "a", first), (first, second)):
        args = (str(source), f"--output={out}", "--method=noisy")
        done = run_script("denoise.py", *args)
        assert "hidden" not in done.stderr


def test_evaluations_and_trainings_count_what_is_hidden(tmp_path):
    for side in ("clean", "noise"):
        put(tmp_path / side / "a.wav")
        put(tmp_path / side / "._a.wav")
    flags = [f"--noise={tmp_path / 'noise'}"]
    flags += [f"--clean_dir={tmp_path / 'clean'}", f"--output_dir={tmp_path / 'out'}"]
    flags += ["--methods=noisy", "--noreport", "--compilation_cache="]
    done = run_script("evaluate.py", *flags)
    for side in ("clean", "noise"):
        assert f"left out 1 hidden ({tmp_path / side}/._a.wav)\n" in done.stderr
    flags = [f"--speech_dirs={tmp_path / 'clean'}", f"--noise_dir={tmp_path / 'noise'}"]
    flags += [f"--valid_dir={tmp_path / 'clean'}", "--valid_noise_dir=nowhere"]
    flags += [f"--output_dir={tmp_path / 'training'}"]
    done = run_script("train_hyper_gain.py", *flags, expect=2)
    for side in ("clean", "noise"):
        assert f"left out 1 hidden ({tmp_path / side}/._a.wav)\n" in done.stderr
    assert "nowhere: no such folder" in done.stderr
    found = decoded_cache.load(tmp_path / "clean", tmp_path / "cache", 16_000)
    assert len(found.samples) == 800


def test_evaluations_tell_of_what_cannot_be_read(tmp_path):
    for side in ("clean", "noisy"):
        put(tmp_path / side / "a.wav")
        (tmp_path / side / "b.rm").write_bytes(b"")
    (tmp_path / "noisy" / "._a.wav").touch()
    (pair,), problems, hidden = datasets.find_pairs(tmp_path)
    assert hidden == [tmp_path / "noisy" / "._a.wav"]
    assert pair.name == "a" and len(problems) == 2
    assert all(problem.endswith("b.rm") for problem in problems)


def test_ten_thousand_files_are_one_line(tmp_path):
    root = tmp_path / "in"
    root.mkdir()
    for i in range(1000):
        (root / f"{i:04d}.rm").touch()
    (line,) = folders.contents(root).problems(root)
    assert line.endswith("0000.rm, 0001.rm, 0002.rm and 997 more") and len(line) < 300
    assert listed("abc") == "a, b, c" and listed("abcd") == "a, b, c and 1 more"


@pytest.mark.parametrize("where", ["FileSource", "open_track_writers"])
def test_an_error_of_our_own_stops_no_other_file(tmp_path, monkeypatch, where):
    """Whether it comes up in reading or in writing."""
    from inr_jax.enhancement import registry

    for name in ("a.wav", "b.wav"):
        audio.write(tmp_path / "in" / name, np.ones(100, np.float32) / 8, 16_000)
    function = getattr(audio, where)

    def failing(path, *args, **kwargs):
        if str(path).endswith("a.wav"):
            raise ZeroDivisionError("by\nnothing")
        return function(path, *args, **kwargs)

    monkeypatch.setattr(audio, where, failing)
    todo, _ = files.jobs([str(tmp_path / "in")], f"{tmp_path}/out/", None)
    denoiser = registry.make("noisy")
    outcomes = list(files.denoise(denoiser, todo, {}, files.DryWetMix()))
    assert [path.name for path in (tmp_path / "out").glob("*.wav")] == ["b.wav"]
    (error,) = [outcome.error for outcome in outcomes if outcome.error]
    assert "a.wav: an error of inr_jax, ZeroDivisionError: by nothing; " in error


def test_what_is_named_twice_is_done_once(tmp_path):
    put(tmp_path / "in" / "a.wav")
    named = [str(tmp_path / "in"), str(tmp_path / "in" / "a.wav")]
    todo, _ = files.jobs(named, f"{tmp_path}/out/", None)
    assert [job.target for job in todo] == [f"{tmp_path}/out/a.wav"]


def test_a_whole_output_that_cannot_be_noted_is_no_error(tmp_path, monkeypatch):
    from inr_jax.enhancement import registry

    def full(*_):
        raise OSError(28, "No space left on device")

    put(tmp_path / "a.wav")
    todo, _ = files.jobs([str(tmp_path / "a.wav")], str(tmp_path / "b.wav"), None)
    monkeypatch.setattr(files.Record, "add", full)
    (outcome,) = files.denoise(registry.make("noisy"), todo, {}, files.DryWetMix())
    assert not outcome.error and (tmp_path / "b.wav").exists()
    assert "b.wav: is whole, but not noted as done: No space left" in outcome.remark


def test_a_folder_goes_into_one_above_it(tmp_path):
    put(tmp_path / "noisy" / "a.wav")
    put(tmp_path / "noisy" / "deep" / "b.wav")
    run_script(
        "denoise.py", f"{tmp_path / 'noisy'}", f"--output={tmp_path}", "--method=noisy"
    )
    assert (tmp_path / "a.wav").exists() and (tmp_path / "deep" / "b.wav").exists()


def test_conversion_beside_the_originals_is_done_once(tmp_path):
    put(tmp_path / "a.wav")
    args = (f"{tmp_path}", f"--output={tmp_path}", "--output_format=.flac")
    run_script("denoise.py", *args, "--method=noisy")
    done = run_script("denoise.py", *args, "--method=noisy")
    assert "1 done already" in done.stderr
    assert {path.name for path in tmp_path.glob("[!.]*")} == {"a.wav", "a.flac"}


def test_nothing_but_what_an_earlier_run_wrote_is_told(tmp_path):
    put(tmp_path / "out" / "a.wav")
    done = run_script(
        *("denoise.py", f"{tmp_path}", f"--output={tmp_path / 'out'}"), expect=2
    )
    assert "nothing but what an earlier run wrote" in done.stderr
