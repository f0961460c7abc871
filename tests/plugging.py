"""Plugins for tests: their text, and how one is approved."""

from pathlib import Path

from vibeusage.plugins import approvals, sources

PROVIDER = {"api": 1, "kind": "provider", "id": "acme", "name": "Acme", "version": "1.0", "env": ["ACME_KEY"]}
READER = {"api": 1, "kind": "reader", "id": "acme", "name": "Acme", "version": "1.0", "roots": ["~/logs"]}
KEY = "k3y-canary-of-acme"


def provider(body: str = "return plugin.Usage()", *, top: str = "", **said: object) -> str:
    return _text({**PROVIDER, "hosts": ["api.acme.example"], **said}, "fetch(request)", body, top)


def reader(body: str, *, top: str = "", **said: object) -> str:
    return _text({**READER, **said}, "read(log)", body, top)


def _text(said: dict, function: str, body: str, top: str) -> str:
    lines = "\n    ".join(body.strip().splitlines())
    head = f"import os, sys, time\nfrom vibeusage import plugin\nPLUGIN = {said!r}"
    return f"{head}\n{top}\ndef {function}:\n    {lines}\n"


def approved(text: str) -> approvals.Approval:
    """The plugin put where `plugin install` puts it, and approved."""
    source = text.encode()
    path = sources.file_of(sources.in_file(sources.file_of("any"), source).approval.id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(source)
    path.chmod(0o600)
    found = sources.in_file(path, source).approval
    approvals.keep(found)
    return found


def distribution(
    folder: Path,
    text: str,
    *,
    name: str = "acme-vibeusage",
    version: str = "2.0",
    group: str = "vibeusage.providers",
) -> Path:
    """An installed distribution with one module, `acme_vibeusage.quota`, in a folder that is put on `sys.path`."""
    package, info = folder / "acme_vibeusage", folder / f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        package / "__init__.py": "",
        package / "numbers.py": "WEEK = 12.5\n",
        package / "quota.py": text,
        info / "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        info / "entry_points.txt": f"[{group}]\nacme = acme_vibeusage.quota\n",
    }
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    rows = [f"{path.relative_to(folder)},," for path in files]
    (info / "RECORD").write_text("\n".join([*rows, f"{info.name}/RECORD,,"]) + "\n")
    return package
