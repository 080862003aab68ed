"""Import arrows point downwards only, and nothing heavy loads by itself."""

import ast
import pathlib
import subprocess
import sys
import time

import pytest
from arrows import ARROWS, WITH_JAX
from conftest import REPOSITORY

WITHOUT_JAX = set(ARROWS) - WITH_JAX
PACKAGE = REPOSITORY / "inr_jax"
SCRIPTS = sorted((REPOSITORY / "experiments").glob("*.py"))


def files(module):
    folder = PACKAGE / module
    return (
        sorted(folder.glob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    )


def imported(path):
    """Dotted names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def of_ours(path):
    names = (name.split(".") for name in imported(path))
    return {parts[1] for parts in names if parts[0] == "inr_jax"}


def test_every_module_has_its_place():
    found = {
        p.stem
        for p in PACKAGE.iterdir()
        if p.suffix == ".py" or (p / "__init__.py").exists()
    }
    assert found - {"__init__"} == set(ARROWS)


@pytest.mark.parametrize("module", ARROWS)
def test_arrows(module):
    for path in files(module):
        assert of_ours(path) - {module} <= ARROWS[module], path


def test_arrows_have_no_circle():
    placed = set()
    while len(placed) < len(ARROWS):
        free = {m for m, below in ARROWS.items() if below <= placed} - placed
        assert free, set(ARROWS) - placed
        placed |= free


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_scripts_import_the_library_and_never_each_other(path):
    others = {p.stem for p in SCRIPTS}
    assert not {name.split(".")[0] for name in imported(path)} & others


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )


def test_importing_the_package_loads_neither_jax_nor_numpy():
    done = python("import sys, inr_jax; assert not {'jax', 'numpy'} & set(sys.modules)")
    assert done.returncode == 0, done.stderr


def test_importing_every_module_opens_no_backend():
    done = python(
        "import inr_jax\n"
        "for name in inr_jax.__all__: getattr(inr_jax, name)\n"
        "from jax._src import xla_bridge\n"
        "assert not xla_bridge.backends_are_initialized()"
    )
    assert done.returncode == 0, done.stderr


def test_modules_that_need_no_jax_load_none():
    names = ", ".join(f"inr_jax.{name}" for name in sorted(WITHOUT_JAX))
    done = python(f"import sys, {names}; assert 'jax' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_unknown_names_are_attribute_errors():
    import inr_jax

    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = inr_jax.nothing_of_the_kind


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_help_answers_at_once(path):
    """Under a second; the best of three, since machines are busy."""
    times = []
    for _ in range(3):
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, path, "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        times.append(time.monotonic() - start)
    assert done.returncode == 0 and "--output" in done.stdout
    assert min(times) < 1


def test_files_stay_short():
    tests = REPOSITORY.joinpath("tests").glob("*.py")
    for path in [*PACKAGE.rglob("*.py"), *SCRIPTS, *tests]:
        assert len(pathlib.Path(path).read_text().splitlines()) <= 250, path
