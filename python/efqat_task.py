"""How the scripts of this folder are asked and answer: a JSON file names the task, result.json in its folder tells the end.

efqat runs them in the user's own Python, and only for its commands from-torch, from-hf and from-tf.
"""
import json
import os
import sys
import traceback


class Refusal(Exception):
    """An end that somebody can do something about. kind: package, input, build, run, export, folder."""

    def __init__(self, kind, what, hint="", where="", **more):
        super().__init__(what)
        self.told = {"kind": kind, "what": what, "hint": hint, "where": where, **more}


def need(package, module=None):
    """A package by its name in the index of packages; a Refusal where it is not installed."""
    try:
        return __import__(module or package.replace("-", "_"))
    except ImportError as error:
        raise missing(package, error) from error


def missing(package, error):
    own = isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == package.replace("-", "_")
    what = f"{package} is not installed in this Python" if own else f"{package} cannot be imported in this Python: {error}"
    return Refusal("package", what, where=sys.executable, package=package)


def shorten(error, limit=600):
    """The name of an error and the beginning of what it says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:4])
    return f"{type(error).__name__}: {text[:limit]}" if text else type(error).__name__


def place_of(error, folder):
    """The last line of the user's own files that an error went through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if folder and os.path.abspath(f.filename).startswith(folder)]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else ""


def main(work):
    with open(sys.argv[1], encoding="utf-8") as file:
        task = json.load(file)
    try:
        result = {"ok": True, **work(task)}
    except Refusal as refusal:
        result = {"ok": False, **refusal.told}
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        result = {"ok": False, "kind": "package", "package": package, "what": shorten(error), "hint": "", "where": sys.executable}
    except BaseException as error:
        traceback.print_exc()
        result = {"ok": False, "kind": "build", "what": shorten(error), "hint": "", "where": place_of(error, task.get("home"))}
    with open(os.path.join(task["folder"], "result.json"), "w", encoding="utf-8") as file:
        json.dump(result, file)
