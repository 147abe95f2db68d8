#!/usr/bin/env python3
"""Proves that the compiler enforces the layering: layers.py BUILD

For every module of framework/ the compile command of one of its files is taken, and every header of
every module is included with it. It must be found exactly where framework/CMakeLists.txt says DEPENDS,
and a module's own headers must compile alone. What DEPENDS may never say is checked against the list
below.
"""

import concurrent.futures
import glob
import json
import os
import re
import shlex
import subprocess
import sys

# The arrows that the design forbids, whatever the build file says: module -> all it may depend on.
AT_MOST = {
    "base": set(),
    "queue": {"base"},
    "wire": {"base"},
    "codec": {"base"},
    "http": {"base"},
    "fiber": {"base", "queue"},
    "reactor": {"base", "queue"},
    "net": {"base", "queue", "reactor"},
    "worker": {"base", "queue", "fiber"},
    "call": {"base", "queue", "fiber", "wire", "codec"},
}
NEVER = [("server", "client"), ("client", "server")]


def read_modules():
    with open("framework/CMakeLists.txt", encoding="utf-8") as file:
        text = re.sub(r"#.*", "", file.read())
    modules = {}
    for body in re.findall(r"trireme_module\(([^)]*)\)", text):
        name, *words = body.split()
        keyword = None
        modules[name] = set()
        for word in words:
            if word in ("SOURCES", "DEPENDS", "LIBRARIES"):
                keyword = word
            elif keyword == "DEPENDS":
                modules[name].add(word)
    return modules


def read_commands(build):
    """Module -> (the options of one of its files, the folder that they are meant for)."""
    commands = {}
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        for entry in json.load(file):
            match = re.search(r"/framework/CMakeFiles/trireme_(\w+)\.dir/", entry["command"])
            match = match or re.search(r"CMakeFiles/trireme_(\w+)\.dir/", entry["command"])
            if match and entry["file"].endswith(".c"):
                words = shlex.split(entry["command"])
                commands[match.group(1)] = (words[: words.index("-o")], entry["directory"])
    return commands


def run(command, options, header):
    words, directory = command
    return subprocess.run(words + options + ["-w", "-x", "c", "-"], cwd=directory, text=True,
                          input=f'#include "{header}"\n', capture_output=True, check=False)


def try_include(command, path, is_own):
    """Whether this very file is found (the system may have one of that name), and what is wrong with it alone."""
    header = os.path.basename(path)
    found = run(command, ["-M"], header).stdout
    said = run(command, ["-fsyntax-only"], header).stderr if is_own else ""
    return os.path.abspath(path) in found.replace("\\\n", " ").split(), said


def main():
    modules, commands = read_modules(), read_commands(sys.argv[1])
    errors = []
    for module, depends in modules.items():
        excess = depends - AT_MOST.get(module, depends)
        if excess:
            errors.append(f"{module} may not depend on {', '.join(sorted(excess))}")
        if module not in commands:
            errors.append(f"{module}: no file of it is compiled")
    for module, other in NEVER:
        if other in modules.get(module, ()):
            errors.append(f"{module} may not depend on {other}")

    cases = []
    for module in modules:
        for other in modules:
            for path in sorted(glob.glob(f"framework/{other}/*.h")):
                if module in commands:
                    cases.append((module, other, path))
    forbidden = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda case: try_include(commands[case[0]], case[2], case[0] == case[1]), cases)
        for (module, other, path), (is_found, said) in zip(cases, results):
            is_allowed = other == module or other in modules[module]
            forbidden += not is_allowed
            if is_found and not is_allowed:
                errors.append(f"{module} can include {path}")
            if is_allowed and not is_found:
                errors.append(f"{module} cannot include {path}")
            if said:
                errors.append(f"{path} is not enough by itself:\n{said}")
    if not forbidden:
        errors.append("nothing was tried that is forbidden")
    print("\n".join(errors) or f"{len(cases)} includes tried, {forbidden} of them refused")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
