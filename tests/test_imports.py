"""Import arrows point downwards only, and nothing heavy loads by itself."""

import ast
import subprocess
import sys

import pytest
from conftest import REPOSITORY

PACKAGE = REPOSITORY / "inr_jax"
SCRIPTS = sorted(
    path
    for folder in ("experiments", "benchmarks")
    for path in (REPOSITORY / folder).glob("*.py")
    if "__main__" in path.read_text()
)
# A folder may import from every layer below its own, never upwards or beside it.
LAYERS = (
    ("cli",),
    ("training", "evaluation", "live"),
    ("enhancement", "plots"),
    ("fitting", "data"),
    ("metrics", "models"),
    ("nn", "audio"),
    ("losses", "parallel"),
    ("io", "dsp"),
    ("configs",),
    ("errors",),
)
HEIGHT = {room: -i for i, layer in enumerate(LAYERS) for room in layer}
# They compute on arrays, files or text, and load no JAX.
WITHOUT_JAX = ("audio", "cli", "configs", "data", "metrics", "plots")


def imported(path):
    """Dotted names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_folder_is_a_room_with_a_sentence_of_its_own():
    folders = {p.parent.name for p in PACKAGE.glob("*/*.py")}
    assert folders | {"errors"} == set(HEIGHT)
    for room in PACKAGE.glob("*/__init__.py"):
        assert ast.get_docstring(ast.parse(room.read_text())), room


def test_arrows_point_downwards():
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if room in ("__init__", "__main__"):
            continue
        for name in imported(path):
            ours = name.split(".")[1:] if name.startswith("inr_jax.") else []
            if ours and ours[0] != room:
                assert HEIGHT[ours[0]] < HEIGHT[room], (path, name)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_scripts_import_the_library_and_never_each_other(path):
    others = {p.stem for p in SCRIPTS}
    assert not {name.split(".")[0] for name in imported(path)} & others


def test_the_reader_of_torch_files_alone_knows_pickles():
    unsafe = {"dill", "marshal", "pickle", "shelve", "torch"}
    found = {
        path.name
        for path in PACKAGE.rglob("*.py")
        if unsafe & {name.split(".")[0] for name in imported(path)}
    }
    assert found == {"torch_checkpoint.py"}


def python(code, *args):
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        check=False,
    )


def test_importing_the_package_loads_neither_jax_nor_numpy():
    done = python("import sys, inr_jax; assert not {'jax', 'numpy'} & set(sys.modules)")
    assert done.returncode == 0, done.stderr


def test_importing_every_module_opens_no_backend():
    """There is none for this platform, so that to open one ends the program."""
    done = python(
        "import importlib, os, pkgutil\n"
        "os.environ['JAX_PLATFORMS'] = 'nonsense'\n"
        "import inr_jax, jax\n"
        "for module in pkgutil.walk_packages(inr_jax.__path__, 'inr_jax.'):\n"
        "    if '.commands.' not in module.name:  # each with flags of its own\n"
        "        importlib.import_module(module.name)\n"
        "print('imported', flush=True)\n"
        "jax.devices()"
    )
    assert done.stdout == "imported\n", done.stderr
    assert done.returncode and "nonsense" in done.stderr


def test_modules_that_need_no_jax_load_none():
    names = ", ".join(
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        for room in WITHOUT_JAX
        for path in (PACKAGE / room).glob("*.py")
        if path.name != "augment.py"  # makes examples on the device
    )
    done = python(f"import sys, {names}; assert 'jax' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_reading_audio_loads_neither_librosa_nor_numba():
    done = python(
        "import sys; from inr_jax import audio\n"
        "assert not {'av', 'librosa', 'numba', 'scipy'} & set(sys.modules)"
    )
    assert done.returncode == 0, done.stderr


def test_unknown_names_are_attribute_errors():
    import inr_jax

    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = inr_jax.nothing_of_the_kind


# In one process: each answers in a copy of it, as commands share names of flags.
HELP = """
import os, runpy, sys
for path in sys.argv[1:]:
    if os.fork():
        assert os.wait()[1] == 0, path
        continue
    sys.path.insert(0, os.path.dirname(path))  # as python does
    sys.argv = [path, "--help"]
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as done:
        assert not done.code, done.code
    loaded = {"jax", "numpy"} & set(sys.modules)
    assert not loaded, loaded
    sys.exit()
"""


def test_help_loads_neither_jax_nor_numpy():
    done = python(HELP, *SCRIPTS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("--output") >= len(SCRIPTS)
