"""Entry of all scripts: efqat_main.py TASK.json, where the task names the script."""
import importlib

from efqat_task import main

main(lambda task: importlib.import_module(task["script"]).work(task))
