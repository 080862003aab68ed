"""The documentation: links lead somewhere, commands and Python examples are as they say."""

import ast
import importlib
import io
import json
import os
import pathlib
import re
import runpy
import subprocess
import sys
import types

import pytest

import inr_jax

REPOSITORY = pathlib.Path(__file__).parent.parent
PAGES = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "docs").glob("*.md"),
        *(REPOSITORY / "checkpoints").rglob("*.md"),
        *(
            path
            for path in (REPOSITORY / "experiments").rglob("*.md")
            if "node_modules" not in path.parts
        ),
    ]
)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PROGRAM = re.compile(
    r"(inr-jax|python -m inr_jax|python (?:experiments|benchmarks)/\w+\.py)(?=\s|$)"
)
OURS = re.compile(r"(inr_jax|experiments|benchmarks|tests|docs|checkpoints)/[\w./*-]*")
# Words in capitals stand for names of the reader's own.
PLACEHOLDER = re.compile(r"[A-Z]{2,}$|/[A-Z]{2,}/|=[A-Z]{2,}/?$")
each_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY))
)


def prose(page: pathlib.Path) -> str:
    return FENCED.sub("", page.read_text())


def anchors(page: pathlib.Path) -> set[str]:
    """Of the headings of a page, as GitHub makes them."""
    found: list[str] = []
    for title in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        same = sum(re.sub(r"-\d+$", "", other) == slug for other in found)
        found.append(f"{slug}-{same}" if same else slug)
    return set(found)


@each_page
def test_relative_links_resolve(page):
    for link in LINK.findall(SPAN.sub("", prose(page))):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@each_page
def test_files_that_are_named_exist(page):
    for span in SPAN.findall(prose(page)):
        if OURS.fullmatch(span) and not PLACEHOLDER.search(span):
            assert list(REPOSITORY.glob(span.rstrip("/"))), span


def commands() -> dict[str, list[list[str]]]:
    """Every command line of ours in the documentation: arguments by program.

    Every script of experiments/ is there, as prose names flags of them.
    """
    scripts = sorted((REPOSITORY / "experiments").glob("*.py"))
    found: dict[str, list[list[str]]] = {
        f"python experiments/{path.name}": [] for path in scripts
    }
    for page in PAGES:
        shell = [
            text for kind, text in FENCED.findall(page.read_text()) if kind == "sh"
        ]
        lines = "\n".join(shell).replace("\\\n", " ").splitlines()
        for line in [*lines, *SPAN.findall(prose(page))]:
            for start in PROGRAM.finditer(line):
                program, words = start[1], arguments(line[start.end() :])
                if not program.endswith(".py"):
                    if not words or words[0].isupper():
                        continue  # the program alone, or COMMAND in general
                    program = f"inr-jax {words.pop(0)}"
                if words not in found.setdefault(program, []):
                    found[program].append(words)
    return found


def arguments(text: str) -> list[str]:
    """Words of a shell command up to its end; a letter stands for a number."""
    text = re.split(r"\s(?:&&|[|<>&#])|'\s*$", text)[0]
    words = [word.strip("'") for word in text.split() if word != "..."]
    words = [re.sub(r"=[A-Z]$", "=1", word) for word in words]
    return [w for w in words if not re.match(r"--flagfile=.*/[A-Z]+$|--help$", w)]


def mentioned() -> set[str]:
    """Names of flags that stand by themselves in prose."""
    spans = [span for page in PAGES for span in SPAN.findall(prose(page))]
    words = " ".join(span for span in spans if span.startswith("--")).split()
    names = {re.match(r"--(\w+)", word)[1] for word in words if word.startswith("--")}
    return {name for name in names if name != "help" and "NAME" not in name}


def test_commands_have_these_flags():
    """Each is parsed by the program itself, in a fork of one process that begins it."""
    found = commands()
    assert len(found) > 10
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(found),
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(found), done.stderr
    problems = [problem for answer in answers for problem in answer["problems"]]
    assert not problems, "\n".join(problems) + done.stderr
    defined = {name for answer in answers for name in answer["defined"]}
    assert mentioned() <= defined


def parse_all() -> None:
    """Prints for each program of stdin its flags, and commands that it would not parse."""
    from absl import flags

    from inr_jax.cli import app

    for program, calls in json.load(sys.stdin).items():
        if child := os.fork():
            os.waitpid(child, 0)
            continue
        answer = {"problems": [], "defined": []}
        app.run = lambda main, *args, to=answer, calls=calls, **kwargs: check(calls, to)
        try:
            start(program)
        except (SystemExit, OSError, ImportError, flags.Error) as error:
            answer["problems"].append(f"{program}: {error!r}")
        print(json.dumps(answer), flush=True)
        os._exit(0)


def start(program: str) -> None:
    sys.argv = program.removeprefix("python ").split()
    if program.startswith("inr-jax "):
        from inr_jax.cli import commands

        return commands.main()
    sys.path.insert(0, os.path.dirname(sys.argv[0]))
    return runpy.run_path(sys.argv[0], run_name="__main__")


def check(calls: list[list[str]], answer: dict[str, list[str]]) -> None:
    """Instead of running a program: parses every call with the flags that it has."""
    from absl import flags

    from inr_jax.configs import methods
    from inr_jax.errors import InputError

    answer["defined"] += [x for name in flags.FLAGS for x in (name, f"no{name}")]
    for call in calls:
        flags.FLAGS.unparse_flags()
        try:
            flags.FLAGS([sys.argv[0], *call])
            for name in {"method", "methods"} & set(flags.FLAGS):
                texts = flags.FLAGS[name].value
                for text in [texts] if isinstance(texts, str) else texts:
                    methods.parse(text)
        except (flags.Error, InputError) as error:
            answer["problems"].append(f"{sys.argv[0]} {' '.join(call)}: {error}")


def examples(page: pathlib.Path) -> list[str]:
    return [text for kind, text in FENCED.findall(page.read_text()) if kind == "python"]


def resolve(dotted: str):
    """The object of a dotted name that begins with inr_jax."""
    value = importlib.import_module("inr_jax")
    for name in dotted.split(".")[1:]:
        if not hasattr(value, name) and isinstance(value, types.ModuleType):
            importlib.import_module(f"{value.__name__}.{name}")
        value = getattr(value, name)
    return value


def resolve_all(text: str) -> None:
    """Names of ours that a Python source imports, and attributes of modules of ours."""
    tree, ours = ast.parse(text), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "inr_jax":
                    ours[alias.asname or "inr_jax"] = resolve(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("inr_jax"):
            for alias in node.names:
                name = alias.asname or alias.name
                ours[name] = resolve(f"{node.module}.{alias.name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            root, *rest = ast.unparse(node).split(".")
            value = ours.get(root)
            for name in rest:
                if isinstance(value, types.ModuleType):
                    value = getattr(value, name)


@each_page
def test_python_names_resolve(page):
    for span in SPAN.findall(prose(page)):
        if name := re.match(r"inr_jax(\.[a-zA-Z_]\w*)+", span):
            resolve(name[0])
    for text in examples(page):
        resolve_all(text)


def test_scripts_of_figures_resolve():
    for script in (REPOSITORY / "docs").rglob("*.py"):
        resolve_all(script.read_text())


def test_fits_have_what_is_said():
    from inr_jax.fitting.clip_fit import ClipFit

    known = {*dir(ClipFit), *ClipFit.__dataclass_fields__}
    text = (REPOSITORY / "README.md").read_text()
    text += (REPOSITORY / "docs" / "fitting.md").read_text()
    said = set(re.findall(r"\bfit\.([a-z_]+)", text)) - {"json", "safetensors"}
    assert said <= known


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/fitting.md"])
@pytest.mark.optimized
def test_examples_run(tmp_path, monkeypatch, page):
    """From top to bottom; each may use what those above it defined."""
    (tmp_path / "experiments").symlink_to(REPOSITORY / "experiments")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    (tmp_path / "example.py").write_text("\n".join(examples(REPOSITORY / page)))
    runpy.run_path("example.py")
    if page == "README.md":
        assert float(sys.stdout.getvalue().split()[0]) > 15  # SI-SDR in dB
    for line in (tmp_path / "example.py").read_text().splitlines():
        if saved := re.search(r'\.save\("(\w+)"\)', line):
            assert inr_jax.load_fit(tmp_path / saved[1]).num_params


def test_readme_is_short_and_has_the_line_that_tests():
    text = (REPOSITORY / "README.md").read_text()
    assert len(text.splitlines()) <= 200
    line = r"^python -m pip install .* && python -m pytest$"
    assert len(re.findall(line, text, re.MULTILINE)) == 1


if __name__ == "__main__":
    parse_all()
