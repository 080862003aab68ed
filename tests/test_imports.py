"""Import arrows point downwards only, and nothing heavy loads by itself."""

import ast
import pathlib
import subprocess
import sys
import time

import pytest
from conftest import REPOSITORY

# What each module of the package may import from it.
ARROWS = {
    "errors": set(),
    "configs": set(),
    "files": set(),
    "sine": set(),
    "noise": set(),
    "segments": set(),
    "baselines": set(),
    "batching": set(),
    "coords": set(),
    "spectral": set(),
    "measuring": set(),
    "stft": set(),
    "noise_power": set(),
    "classical": {"noise_power", "segments", "stft"},
    "metrics": set(),
    "figures": {"files"},
    "clip_figures": {"figures", "metrics"},
    "tables": set(),
    "audio": {"errors", "files"},
    "loudness": {"audio"},
    "report_takes": {"figures", "loudness"},
    "report": {"audio", "errors", "files", "report_takes", "tables"},
    "download": {"errors"},
    "hub": {"download", "errors", "files"},
    "cli": {"errors"},
    "checkpoints": set(),
    "devices": {"errors"},
    "device_flags": {"devices", "errors"},
    "engine": {"devices", "sine"},
    "siren": {"configs", "engine"},
    "losses": {"configs", "disturbance", "spectral", "stft"},
    "disturbance": {"spectral"},
    "fitting": {"configs", "coords", "engine", "losses", "siren"},
    "reference_steps": {"configs", "siren"},
    "saved_fits": {"checkpoints"},
    "stepping": {"saved_fits"},
    "wave_u_net": {"configs"},
    "dnp": {"classical", "configs", "fitting", "wave_u_net"},
    "dnp_fits": {"batching", "configs", "devices", "dnp", "engine", "fitting"}
    | {"saved_fits", "stepping"},
    "sweeping": {"configs", "engine", "fitting"},
    "sweep_curves": {"figures"},
    "gain_field": {"configs", "engine", "siren"},
    "gain_denoiser": {
        *("batching", "classical", "configs", "engine", "gain_field", "noise_power"),
        *("devices", "segments", "stft"),
    },
    "fit_many": {
        *("batching", "configs", "engine", "fitting", "saved_fits", "segments"),
        *("devices", "stepping"),
        "siren",
    },
    "datasets": {"audio", "errors", "files", "noise"},
    "scoring": {"audio", "metrics"},
    "corpus": {"audio", "datasets", "files"},
    "model_configs": {"configs"},
    "training_configs": {"configs"},
    "mixing": {"training_configs"},
    "prefetching": set(),
    "frame_targets": {"configs", "siren"},
    "gate_network": {"model_configs"},
    "local_hypersound": {"frame_targets", "gate_network", "model_configs"},
    "training": {"devices", "losses", "training_configs"},
    "training_run": {"checkpoints", "devices", "errors", "files", "training"},
    "training_curves": {"figures"},
    "training_loop": {
        *(
            "devices",
            "figures",
            "mixing",
            "training_configs",
            "prefetching",
            "scoring",
            "training",
        ),
        *("trained_denoiser", "training_curves", "training_run", "validation"),
    },
    "early_stopping": {"batching", "configs", "engine", "fitting", "stepping"}
    | {"sweeping"},
    "nerf": {"siren"},
    "spectral_hypernetwork": {"gate_network", "model_configs"},
    "hypersound_target": {"configs", "model_configs", "nerf", "siren"}
    | {"frame_targets", "spectral_hypernetwork"},
    "hypersound": {"hypersound_target", "model_configs", "siren"}
    | {"frame_targets", "spectral_hypernetwork"},
    "pretrained": {
        "errors",
        "files",
        "hypersound",
        "frame_targets",
        "local_hypersound",
        "model_configs",
    },
    "trained_denoiser": {"audio", "batching", "errors", "hypersound", "segments"}
    | {"hypersound_target"},
    "torch_checkpoint": {"errors"},
    "sepformer": {"model_configs"},
    "sepformer_mapping": {"model_configs"},
    "sepformer_weights": {
        *("errors", "files", "model_configs", "sepformer", "sepformer_mapping"),
        "torch_checkpoint",
    },
    "sepformer_denoiser": {"audio", "batching", "segments", "sepformer"},
    "denoise_files": {"audio", "datasets", "errors", "files"},
    "denoising": {"audio", "denoisers"},
    "denoisers": {
        *("baselines", "classical", "configs", "dnp", "dnp_fits"),
        *(
            "early_stopping",
            "errors",
            "fit_many",
            "gain_denoiser",
            "model_configs",
            "noise_power",
            "pretrained",
        ),
        *("peers", "sepformer_denoiser", "sepformer_weights", "stft"),
        "trained_denoiser",
    },
    "peers": {"audio", "errors"},
    "evaluation": {"audio", "datasets", "errors", "files", "scoring"},
    "evaluating": {
        *("audio", "datasets", "denoising", "evaluation", "noise", "scoring"),
    },
    "evaluation_results": {
        *("errors", "evaluation", "files", "measuring", "runs", "tables"),
    },
    "method_flags": {"configs", "denoisers"},
    "evaluation_report": {"evaluation", "evaluation_results", "report", "scoring"},
    "noisy_sets": {"cli", "datasets", "errors", "evaluation", "files"},
    "evaluation_figures": {"clip_figures", "evaluation", "figures", "score_figures"},
    "score_figures": {"figures", "tables"},
    "table1": set(),
    "validation": {"audio", "datasets", "noise", "scoring"},
    "runs": {"datasets", "errors", "files", "scoring", "tables"},
}
# Modules that only compute on arrays, files or text: they work without jax.
WITH_JAX = {
    *("dnp", "dnp_fits", "stepping", "wave_u_net"),
    *("sepformer", "sepformer_denoiser", "sepformer_mapping", "sepformer_weights"),
    *("checkpoints", "coords", "devices", "engine", "fit_many", "fitting", "losses"),
    "disturbance",
    *(
        "denoisers",
        "denoising",
        "early_stopping",
        "evaluating",
        "hypersound",
        "hypersound_target",
        "nerf",
        "pretrained",
    ),
    "trained_denoiser",
    *("frame_targets", "gain_denoiser", "gain_field", "local_hypersound"),
    *("gate_network", "spectral_hypernetwork"),
    *("training", "training_run"),
    "training_loop",
    *("reference_steps", "saved_fits", "sine", "siren", "spectral", "sweeping"),
}
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
    for path in [*PACKAGE.rglob("*.py"), *SCRIPTS]:
        assert len(pathlib.Path(path).read_text().splitlines()) <= 250, path
