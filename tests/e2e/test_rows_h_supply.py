"""Rows H8-H10 of the reliability list: what is known of the lock, what is fetched while it runs, what a wheel holds."""

import ast
import base64
import csv
import functools
import hashlib
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import homes
import pytest
from e2e import faults
from packaging.requirements import Requirement
from packaging.version import Version
from real import unavailable
from vendors import World

from vibeusage import cli, providers
from vibeusage.records import price_update

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "vibeusage"

# --- H8: known vulnerabilities

# locks that followed a symlink, and the first version that does not (CVE-2025-68146, CVE-2026-22701)
FIXED = {"filelock": "3.20.3"}
# stands in for pip-audit: what it writes, or says, for each service
AUDIT = """#!{python}
import json, sys
options = dict(zip(sys.argv, sys.argv[1:]))
said = json.loads({said!r})[options["-s"]]
if isinstance(said, str):
    sys.exit("a traceback\\n" + said)
open(options["-o"], "w").write(json.dumps({{"dependencies": said, "fixes": []}}))
sys.exit(any(row.get("vulns") for row in said))
"""
GOOD = [{"name": "idna", "version": "3.20", "vulns": []}]
BAD = [{"name": "idna", "version": "3.6", "vulns": [{"id": "PYSEC-2024-60", "fix_versions": ["3.7"]}]}]
SKIPPED = [{"name": "idna", "skip_reason": "not found on PyPI"}]
NOT_ASKED = "some packages, or all, could not be asked about anywhere: nothing is known about those"


@pytest.mark.parametrize(
    ("said", "code", "lines"),
    [
        pytest.param({"pypi": GOOD}, 0, ["pypi: asked about 1 packages"], id="none"),
        pytest.param(
            {"pypi": BAD}, 1, ["pypi: asked about 1 packages", "idna 3.6: PYSEC-2024-60, fixed in 3.7"], id="one"
        ),
        pytest.param(
            {"pypi": SKIPPED, "osv": GOOD},
            0,
            ["pypi: asked about 0 packages, not about others: idna (not found on PyPI)", "osv: asked about 1 packages"],
            id="an index without advisories",
        ),
        pytest.param(
            {"pypi": SKIPPED, "osv": BAD},
            1,
            [
                "pypi: asked about 0 packages, not about others: idna (not found on PyPI)",
                "osv: asked about 1 packages",
                "idna 3.6: PYSEC-2024-60, fixed in 3.7",
            ],
            id="known elsewhere",
        ),
        pytest.param(
            {"pypi": "no way out", "osv": "no such host"},
            0,
            [
                "pypi: asked about 0 packages, not about others: no way out",
                "osv: asked about 0 packages, not about others: no such host",
                NOT_ASKED,
            ],
            id="nobody to ask is told with its reason",
        ),
    ],
)
def test_h8_the_step_of_ci_fails_for_what_is_known_and_says_what_it_could_not_ask(said, code, lines, tmp_path):
    audit = tmp_path / "pip-audit"
    audit.write_text(AUDIT.format(python=sys.executable, said=json.dumps(said)))
    audit.chmod(0o755)
    command = [sys.executable, str(ROOT / ".ci/known-vulnerabilities"), str(audit), str(ROOT / "requirements.lock")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (code, lines, "")


def test_h8_ci_runs_that_step():
    assert ".ci/known-vulnerabilities" in (ROOT / ".ci/run").read_text()


def locked(text: str) -> dict[str, str]:
    """{name: version} of a lock, in which each is pinned."""
    lines = [line.removesuffix("\\").strip() for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    found = [Requirement(line) for line in lines]
    return {one.name.lower().replace("_", "-"): str(one.specifier).removeprefix("==") for one in found}


def unfixed(lock: dict[str, str]) -> list[str]:
    return [name for name, fixed in FIXED.items() if name in lock and Version(lock[name]) < Version(fixed)]


def test_h8_no_file_lock_of_the_lock_follows_a_symlink():
    assert unfixed(locked("filelock==3.20.2 \\\n    --hash=sha256:00\nidna==3.20\n")) == ["filelock"]
    assert unfixed(locked("filelock==3.20.3\n")) == []
    lock = locked((ROOT / "requirements.lock").read_text())
    assert {"httpx", "msgspec", "platformdirs", "tomli-w"} <= lock.keys()
    assert unfixed(lock) == []


# --- H9: nothing is fetched to be run, and nothing of ours is replaced


# what runs text as code, in the one place where a person has approved it: row H1
RUNS_TEXT = {"exec", "eval", "compile", "__import__"}
OF_PLUGINS = {("plugins/worker.py", "exec"), ("plugins/worker.py", "compile")}
CODE_FROM_BYTES = {"pickle", "marshal", "runpy", "shelve", "zipimport", "code", "codeop", "imp"}
OTHER_WAYS_OUT = {"urllib.request", "http.client", "ftplib", "smtplib", "xmlrpc", "requests", "pip", "ensurepip"}
# these take one of a few names that stand beside them; a plugin's is that of the package that was approved
OTHER_IMPORTS = {"keystore.py": "BACKENDS[backend]", "plugins/worker.py": "start.module"}


@functools.cache
def trees() -> dict[str, ast.Module]:
    return {str(path.relative_to(SRC)): ast.parse(path.read_text()) for path in sorted(SRC.rglob("*.py"))}



def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Each call by the name that is called, without what stands before its dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node
        elif isinstance(node, ast.Call) and ast.unparse(node.func) != "re.compile":
            yield ast.unparse(node.func).rpartition(".")[2], node


def imports(tree: ast.AST) -> set[str]:
    """Every module, with its parents, that an import statement names."""
    found = set()
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        module = node.module if isinstance(node, ast.ImportFrom) and node.module else ""
        for name in [module, *(f"{module}.{name}" if module else name for name in names)]:
            parts = name.split(".")
            found |= {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return found


@pytest.mark.slow
def test_h9_no_text_is_run_as_code_but_an_approved_plugins():
    found = {(name, called) for name, tree in trees().items() for called, _ in calls(tree) if called in RUNS_TEXT}
    assert found <= OF_PLUGINS
    forbidden = CODE_FROM_BYTES | OTHER_WAYS_OUT
    assert {(name, one) for name, tree in trees().items() for one in imports(tree) & forbidden} == set()


def imports_by_name(tree: ast.AST) -> Iterator[str]:
    """The argument of each `import_module` that does not stand there in full, or begin with our own name."""
    loops = [loop for loop in ast.walk(tree) if isinstance(loop, ast.For) and is_literal(loop.iter)]
    literals = {ast.unparse(loop.target) for loop in loops}
    for called, node in calls(tree):
        if called != "import_module":
            continue
        name = node.args[0]
        start = name.values[0] if isinstance(name, ast.JoinedStr) else name
        ours = isinstance(start, ast.Constant) and str(start.value).startswith("vibeusage.")
        if not ours and ast.unparse(name) not in literals:
            yield ast.unparse(name)


def is_literal(node: ast.AST) -> bool:
    return isinstance(node, ast.Tuple | ast.List) and all(isinstance(one, ast.Constant) for one in node.elts)


@pytest.mark.slow
def test_h9_modules_are_imported_by_names_that_stand_here():
    found = {(name, told) for name, tree in trees().items() for told in imports_by_name(tree)}
    assert found <= {*OTHER_IMPORTS.items()}


@pytest.mark.parametrize(
    ("text", "named", "imported"),
    [
        pytest.param("exec(answer.text)", {"exec"}, set(), id="exec"),
        pytest.param("builtins.eval(x)", {"eval"}, set(), id="eval by its module"),
        pytest.param("re.compile(x)", set(), set(), id="a pattern"),
        pytest.param("from importlib import import_module\nimport_module(x)", set(), {"x"}, id="a module"),
        pytest.param("import_module(f'{x}.vibeusage')", set(), {"f'{x}.vibeusage'"}, id="a module of theirs"),
        pytest.param("import_module(f'vibeusage.{x}')", set(), set(), id="a module of ours"),
        pytest.param("from urllib import request", {"urllib.request"}, set(), id="an import"),
    ],
)
def test_h9_the_search_finds_them(text, named, imported):
    tree = ast.parse(text)
    found = {called for called, _ in calls(tree)} | imports(tree)
    assert found & (RUNS_TEXT | CODE_FROM_BYTES | OTHER_WAYS_OUT) == named
    assert {*imports_by_name(tree)} == imported


# more of a command than its name; every command there is is run
WORDS = {
    "usage": ["--refresh", "-v"],
    "line": ["tmux"],
    "refresh": ["--if-due", "codex"],
    "auth --status": [],
    "providers": ["check", "gemini"],
    "alerts": ["test"],
    "report": ["weekly"],
    "records": ["sync"],
    "records prices": ["update"],
    "cache": ["clear"],
    "init": ["fish"],
    "install": ["zsh"],
    "uninstall": ["zsh"],
}
LASTING = {"dashboard", "watch"}  # until somebody ends them, where there is a screen
FETCHERS = {"pip", "pip3", "uv", "uvx", "pipx", "easy_install", "curl", "wget", "git", "npm", "npx"}
TRACED = "trace=connect,execve,openat,rename,renameat,renameat2,link,symlink"


@pytest.mark.slow
def test_h9_every_command_asks_known_hosts_only_and_changes_nothing_of_its_own(home, require, config_dir):
    homes.five_logins(home)
    config_dir.mkdir(mode=0o700)
    (config_dir / "config.toml").write_text('[alerts]\nthresholds = [1]\ncommand = ["/bin/true"]\n')
    named = {name: f"{name} {' '.join(WORDS.get(name, []))}" for name in {**cli.COMMANDS, **WORDS}}
    program = " ".join(map(str, faults.PROGRAM))
    most = {name: 4 if name in LASTING else 60 for name in named}
    lines = [f"timeout {most[name]} {program} {words} </dev/null; echo {name}=$? >&3" for name, words in named.items()]
    with World() as world:
        homes.five_answers(world)
        environ = {**world.environ, "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "TERM": "dumb"}
        command = [require("sh"), "-c", "\n".join([f"exec 3>'{home}/codes'", *lines])]
        run = faults.traced(require, ["-f", "-y", "-s", "300", "-e", TRACED], command, env=environ, timeout_s=500)
        hosts = {host for host in world.hosts if not host.startswith("127.")}
    codes = dict(line.split("=") for line in (home / "codes").read_text().splitlines())
    assert codes.keys() == named.keys()
    assert {name for name, code in codes.items() if code == "124"} <= LASTING  # ended by `timeout`
    assert b"a mistake in vibeusage" not in run.stderr
    assert {*homes.HOSTS.values(), urlsplit(price_update.URL).hostname} <= hosts <= known_hosts()
    ways = run.lines("connect(", "sa_family=AF_INET")
    assert [row for row in ways if not re.search(r'"(127\.0\.0\.1|::1)"', row)] == []
    commands = [row.partition("execve(")[2].partition("]")[0] for row in run.lines("execve(")]
    started = [re.findall(r'"((?:[^"\\]|\\.)*)"', row) for row in commands]
    assert len(started) > len(named)
    assert [words for words in started if {Path(words[0]).name, *words[1:4]} & FETCHERS] == []
    places = (str(SRC), str(Path(sys.prefix).resolve()), sys.prefix)
    changes = [row for row in run.calls.splitlines() if re.search(r"O_WRONLY|O_RDWR|O_CREAT|rename|link\(", row)]
    assert len(changes) > 20
    assert [row for row in changes if any(f'"{place}' in row or f"<{place}" in row for place in places)] == []


def known_hosts() -> set[str]:
    """Of every provider, its status page, and the table of prices."""
    every = [providers.load(name) for name in providers.shipped()]
    pages = [each.status.url for each in every if each.status]
    told = {urlsplit(url).hostname or "" for url in (*pages, price_update.URL)}
    return told.union(*(each.hosts for each in every))


# --- H10: what a wheel holds

KEYS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY|sk-ant-\w+-\w{8}|\bgh[opsu]_\w{16}|\bsk-(?:proj-)?\w{20}|\bAKIA[A-Z0-9]{12}"
    rb"|\bxox[bp]-\w{8}|\bya29\.[\w-]{20}|\beyJ\w{16,}\.eyJ\w{8}|invented|canary"
)
ENDS = {".py", ".toml", ".json", ".LICENSE", ".css", ".js", ".html", ".tcss", ".txt"}
SHELL = {f"vibeusage/shell/vibeusage.{end}" for end in ("zsh", "bash", "fish", "tmux")}
ABOUT = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """Built from the checkout as an installer builds it, without the network."""
    try:
        import hatchling  # noqa: F401
    except ImportError:
        unavailable("hatchling is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "-q", "-w", folder]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, ROOT], check=True)
    (path,) = folder.iterdir()
    return zipfile.ZipFile(path)


@pytest.mark.slow
def test_h10_a_wheel_holds_the_package_the_scripts_and_what_describes_them(wheel):
    names = {name for name in wheel.namelist() if not name.endswith("/")}
    about = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    scripts = {name for name in names if re.match(r"[^/]+\.data/scripts/", name)}
    package = {name for name in names - about - scripts if name not in SHELL}
    assert {name.partition("/")[2] for name in about} == ABOUT
    assert {name.rpartition("/")[2] for name in scripts} == {"vibeusage-line"}
    assert names >= SHELL
    there = {f"vibeusage/{path.relative_to(SRC)}" for path in SRC.rglob("*") if path.is_file()}
    assert package == {name for name in there if "__pycache__" not in name}
    assert {name for name in package if Path(name).suffix not in ENDS} == set()
    assert {name for name in names if re.search(r"test|fixture|bench|conftest|\.pyc|\.git", name)} == set()


@pytest.mark.slow
def test_h10_no_file_of_a_wheel_holds_a_key_and_each_is_as_its_record_says(wheel):
    contents = {name: wheel.read(name) for name in wheel.namelist()}
    found = {(name, match[0]) for name, data in contents.items() for match in KEYS.finditer(data)}
    assert found == set()
    (record,) = (data for name, data in contents.items() if name.endswith("/RECORD"))
    told = {row[0]: row[1] for row in csv.reader(record.decode().splitlines())}
    hashes = {
        name: "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        for name, data in contents.items()
    }
    assert told == {name: "" if name.endswith("/RECORD") else one for name, one in hashes.items()}


@pytest.mark.parametrize(
    "text",
    [homes.CLAUDE, homes.GEMINI, homes.jwt(sub="x"), "gho_0123456789abcdefgh", "sk-" + "a" * 40],
    ids=["claude", "gemini", "a token of today", "github", "a key"],
)
def test_h10_the_search_finds_a_key(text):
    assert KEYS.search(b"TOKEN = '" + text.encode() + b"'")
