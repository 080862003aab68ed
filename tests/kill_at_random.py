"""Kills scripts at random moments and starts them again until they are done.

  python tests/kill_at_random.py denoise 50

runs a script whole, then again and again into another folder, each time killed with
SIGKILL somewhere between its start and its end, at last to the end; and compares.
"""

import csv
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

from toy_training import HYPERSOUND

REPOSITORY = pathlib.Path(__file__).parent.parent
CLIPS = REPOSITORY / "experiments" / "clips"
# Toy settings of each script; results go to --output_dir or --output.
SCRIPTS = {
    "denoise": (str(CLIPS), "--method=wiener"),
    "evaluate": (
        *(f"--clean_dir={CLIPS}", "--methods=noisy,wiener", "--max_seconds=1"),
        *("--snr_db=0,5", "--max_clips=3", "--noreport"),
    ),
    "fit_siren": (
        *(f"--clean_dir={CLIPS}", "--max_seconds=0.3", "--max_clips=3"),
        *("--width=8", "--depth=1", "--num_steps=40"),
    ),
    "train_hypersound": (
        *(f"--speech_dirs={CLIPS}", f"--noise_dir={CLIPS}", f"--valid_dir={CLIPS}"),
        *(*HYPERSOUND, "--num_steps=12"),
        *("--log_every=2", "--save_every=2", "--validate_every=6"),
    ),
}
# What differs from run to run by itself: times, and names of this very folder.
_CLOCKS = {"work_s", "steps_per_s", "audio_s_per_s"}
_COMPARED = {".wav", ".flac", ".csv", ".jsonl", ".npz", ".md"}


def survives(name: str, kills: int, folder: pathlib.Path, seed: int = 0) -> int:
    """Kills a script so often; returns how many results were the same as without.

    Raises:
      AssertionError: a file is half, lost or another than without kills.
    """
    whole, killed = folder / "whole", folder / "killed"
    _run(name, whole, folder)
    seconds = _run(name, folder / "timed", folder)  # programs are compiled now
    rng, hits, results = random.Random(seed), 0, 0
    while hits <= kills:
        last = hits == kills
        limit = None if last else rng.uniform(0, seconds)
        done = _run(name, killed, folder, limit) is not None
        check_no_half_file(killed)
        hits += last or not done
        if done:  # and the next one begins anew
            assert _contents(killed) == _contents(whole)
            shutil.rmtree(killed)
            results += 1
    return results


def check_no_half_file(folder: pathlib.Path) -> None:
    """Everything that is to be seen can be read whole, whenever a run was cut."""
    import numpy as np
    import soundfile

    for path in _shown(folder):
        if path.suffix in (".wav", ".flac"):
            with soundfile.SoundFile(path) as file:
                assert len(file.read()) == file.frames > 0, path
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".csv":
            rows = list(csv.reader(path.open(newline="")))
            assert {len(row) for row in rows} == {len(rows[0])}, path
        elif path.suffix in (".npz", ".npy"):
            loaded = np.load(path)
            assert path.suffix == ".npy" or dict(loaded), path
        elif path.suffix in (".png", ".pdf"):
            ends = {".png": b"IEND\xaeB`\x82", ".pdf": b"%%EOF\n"}
            assert path.read_bytes().endswith(ends[path.suffix]), path


def _run(name, output, folder, kill_after=None):
    """Seconds that the script took, or None where it was killed."""
    flag = "--output" if name == "denoise" else "--output_dir"
    command = [sys.executable, f"experiments/{name}.py", *SCRIPTS[name]]
    command += [f"{flag}={output}/", f"--compilation_cache={folder / 'compiled'}"]
    start = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=said, stderr=said)
        try:
            process.wait(kill_after)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None
        said.seek(0)
        assert process.returncode == 0, said.read().decode()
    return time.monotonic() - start


def _shown(folder):
    """Files that are not hidden, nor in hidden folders or unfinished ones."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(p.startswith(".") or "tmp" in p for p in parts):
            yield path


def _contents(folder):
    """What was found, by path; times left out."""
    return {
        str(path.relative_to(folder)): _content(path)
        for path in _shown(folder)
        if path.suffix in _COMPARED
    }


def _content(path):
    """Without times, which WAV files of floats and archives hold as well."""
    import numpy as np
    import soundfile

    if path.suffix == ".wav":
        return soundfile.read(path)[0].tobytes()
    if path.suffix == ".npz":
        return {name: array.tobytes() for name, array in np.load(path).items()}
    if path.suffix == ".csv":
        rows = list(csv.DictReader(path.open(newline="")))
    elif path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        return path.read_bytes()
    return sorted(str({k: v for k, v in r.items() if k not in _CLOCKS}) for r in rows)


if __name__ == "__main__":
    script, count = sys.argv[1], int(sys.argv[2])
    place = pathlib.Path(tempfile.mkdtemp())
    results = survives(script, count, place)
    print(f"{script}: {count} kills, {results} results, each as without kills")
    shutil.rmtree(place)
