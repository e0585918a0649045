"""Reports: a notebook run with parameters through papermill, and its page as one self-contained HTML file.

Nothing of the run but the cells' HTML gets into the file: no code, no paths, no metadata. Opened, it makes no request:
styles, scripts and data are inside, and its content security policy forbids everything else.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from op25b.assets import directory
from op25b.errors import Op25bError, UnknownNameError
from op25b.lake import snapshot
from op25b.settings import Language
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from nbformat import NotebookNode

# Parameters that say where and how a notebook runs; `render` sets them itself.
OURS = ("workspace", "version", "language", "quality", "live")
_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
_BESIDE = """
import sys
import op25b
op25b.open(sys.argv[1], int(sys.argv[3]) or None).check().write_json(sys.argv[2])
"""


class ReportError(Op25bError):
    """A report's notebook stopped, or a parameter has a value that does not fit."""


class Parameter(NamedTuple):
    """One parameter of a report: name, type as written in the notebook, default, and what it means."""

    name: str
    type: str
    default: Any
    help: str


def names() -> list[str]:
    """The reports there are, sorted."""
    return sorted(path.stem for path in directory("notebooks").glob("*.ipynb"))


def parameters(name: str) -> list[Parameter]:
    """The parameters of a report that can be chosen, in the notebook's order."""
    return [parameter for parameter in _inspect(name) if parameter.name not in OURS]


def render(workspace: Workspace, name: str, language: Language, parameters: Mapping[str, object],
           output: Path | None = None) -> Path:
    """Run a report's notebook and write its page; returns the file, by default `reports/NAME-LANGUAGE.html`.

    All of it is of one lake version, which the page names: `workspace.version`, else the newest when it is begun.
    `UnknownNameError` for a report or parameter that does not exist, `ReportError` for a value of the wrong type and
    for a notebook that stops.
    """
    inspected = {parameter.name: parameter for parameter in _inspect(name)}
    chosen = {key for key in inspected if key not in OURS}
    for key, value in parameters.items():
        if key not in chosen:
            raise UnknownNameError("parameter", key, chosen)
        _check(inspected[key], value)
    output = output or workspace.root / "reports" / f"{name}-{language}.html"
    with tempfile.TemporaryDirectory(prefix="op25b-report-") as place, ThreadPoolExecutor(2) as pool:
        quality = Path(place, "quality.json")
        version = snapshot(workspace).number()
        given = {"workspace": str(workspace.root), "version": version, "language": language, "quality": str(quality),
                 "live": False}
        bundle = pool.submit(_vega_bundle)
        pool.submit(_gates, workspace.root, version, quality)
        ours = {key: value for key, value in given.items() if key in inspected}
        notebook = _run(name, {**parameters, **ours}, Path(place))
        page = _page(notebook, _title(workspace, notebook, name, language), language, bundle.result())
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    part.write_text(page, encoding="utf-8", newline="\n")
    part.replace(output)
    return output


def _load(name: str) -> NotebookNode:
    """A report's notebook, or `UnknownNameError`; read by us because papermill takes braces in a path for a pattern."""
    import nbformat

    known = names()
    if name not in known:
        raise UnknownNameError("report", name, known)
    notebook: NotebookNode = nbformat.read(  # type: ignore[no-untyped-call]
        directory("notebooks") / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])
    notebook.metadata.setdefault("papermill", {})
    return notebook


def _inspect(name: str) -> list[Parameter]:
    import papermill

    with tempfile.TemporaryDirectory(prefix="op25b-report-") as place:
        copy = Path(place, f"{hashlib.sha256(name.encode()).hexdigest()}.ipynb")
        copy.write_text(_as_json(_load(name)), encoding="utf-8")
        found = papermill.inspect_notebook(str(copy))
    return [Parameter(p["name"], p["inferred_type_name"], ast.literal_eval(p["default"]), p["help"])
            for p in found.values()]


def _as_json(notebook: NotebookNode) -> str:
    import nbformat

    return str(nbformat.writes(notebook))  # type: ignore[no-untyped-call]


def _check(parameter: Parameter, value: object) -> None:
    wanted = _TYPES.get(parameter.type)
    if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted)):
        msg = (f"parameter {parameter.name!r} is of type {parameter.type}, not {type(value).__name__}: {value!r}\n"
               f"  {parameter.help or 'see the notebook'}; the default is {parameter.default!r}")
        raise ReportError(msg)


def _gates(root: Path, version: int, quality: Path) -> None:
    """Run the data-quality gates in a process of their own and hand over the result, whatever happens."""
    from op25b.report_template.gates import write

    raw, script = quality.with_suffix(".raw"), quality.with_name("gates.py")
    script.write_text(_BESIDE, encoding="utf-8")  # with `-c`, what the gates import may take it for a test and exit
    rules = None
    try:
        done = subprocess.run([sys.executable, str(script), str(root), str(raw), str(version)], capture_output=True,
                              text=True, encoding="utf-8", errors="replace", check=False)
        if done.returncode == 0:
            rules = pl.DataFrame(json.loads(raw.read_text(encoding="utf-8")), infer_schema_length=None)
        else:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            logging.getLogger(__name__).warning("the data-quality gates could not be run: %s", reason)
    finally:
        write(quality, rules)


def _run(name: str, values: dict[str, object], place: Path) -> NotebookNode:
    """Execute the notebook with this very Python, away from the user's IPython profile."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    notebook = _load(name)
    try:
        done: NotebookNode = papermill.execute_notebook(
            notebook, None, parameters=values, progress_bar=False, log_output=False, cwd=str(place),
            kernel_manager_class=_kernel_manager(place), start_timeout=120)
    except PapermillExecutionError as error:
        msg = f"report {name!r} stopped: {error.evalue or error.ename}"
        if error.ename not in _errors():
            msg += f"\n  {error.ename} in cell {error.cell_index}; run notebooks/{name}.ipynb by hand to see where"
        raise ReportError(msg) from None
    return done


def _errors() -> set[str]:
    """Names of the errors that say themselves what to do."""
    from op25b import errors

    return {key for key, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Op25bError)}


def _kernel_manager(place: Path) -> type:
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(AsyncKernelManager):
        """Whatever kernels are installed, a report runs where op25b runs, and nobody else can listen in."""

        @property
        def kernel_spec(self) -> KernelSpec:
            spec = get_kernel_dict(["--log-level=CRITICAL"], ["-Xfrozen_modules=off"])
            return KernelSpec(**spec, env={"IPYTHONDIR": str(place / "ipython")})

    if os.name == "posix" and len(str(place)) < 80:  # a socket's path is at most about a hundred characters long
        ThisPython.transport.default_value = "ipc"
    return ThisPython


@cache
def _vega_bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one script."""
    import vl_convert

    return str(vl_convert.javascript_bundle(vl_version="6.4"))  # type: ignore[call-arg]  # its stub asks for more


def _title(workspace: Workspace, notebook: NotebookNode, name: str, language: Language) -> str:
    """The title in the browser's tab, from the notebook's metadata."""
    titles: dict[str, str] = notebook.metadata.get("op25b", {}).get("title", {})
    return f"{titles.get(language, name)} – {workspace.config.site.name}"


def _page(notebook: NotebookNode, title: str, language: Language, bundle: str) -> str:
    from op25b.report_template.parts import TEMPLATE

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from nbconvert import HTMLExporter
        from nbconvert.preprocessors import TagRemovePreprocessor
        from traitlets.config import Config

        settings = Config()
        settings.TagRemovePreprocessor.remove_cell_tags = {"parameters", "injected-parameters", "setup"}
        exporter = HTMLExporter(  # type: ignore[no-untyped-call]
            config=settings, template_name=TEMPLATE.name, template_file="index.html.j2",
            extra_template_basedirs=[str(TEMPLATE.parent)], exclude_input=True, exclude_input_prompt=True,
            exclude_output_prompt=True)
        exporter.register_preprocessor(TagRemovePreprocessor, enabled=True)  # type: ignore[no-untyped-call]
        script = (TEMPLATE / "load_charts.js").read_text(encoding="utf-8")
        page, _ = exporter.from_notebook_node(notebook, resources={
            "title": title, "language": language, "vega_bundle": bundle, "load_charts": script,
            "style": (TEMPLATE / "style.css").read_text(encoding="utf-8"), "content_policy": _policy(bundle, script),
        })
    return str(page)


def _policy(*scripts: str) -> str:
    hashes = " ".join("'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"
                      for script in scripts)
    return (f"default-src 'none'; script-src 'unsafe-eval' {hashes}; style-src 'unsafe-inline'; img-src data:; "
            "base-uri 'none'; form-action 'none'")
