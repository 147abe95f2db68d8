#!/usr/bin/env python3
"""Which lines of framework/ the tests have reached, by file and by module, from what gcov says.

    report.py BUILD [--lines]

BUILD is a build folder of the preset `coverage` in which tests have run; with --lines the lines that
were not reached are listed too. Exits 1 when a module of GATED is below the least that is asked for.
"""

import argparse
import collections
import json
import os
import subprocess
import sys

GATED = ("call", "http", "queue", "fiber", "worker", "wire")
LEAST = 90.0  # percent of the lines


def run_gcov(build, notes):
    """The lines of all sources, from gcov's notes on each object: {path: {line: count}}."""
    files = collections.defaultdict(dict)
    for at in range(0, len(notes), 16):
        said = subprocess.run(["gcov", "--json-format", "--stdout", *notes[at:at + 16]], cwd=build, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        for document in said.splitlines():
            data = json.loads(document)
            for file in data["files"]:
                path = os.path.join(data["current_working_directory"], file["file"])
                lines = files[os.path.realpath(path)]
                for line in file["lines"]:
                    number = line["line_number"]
                    lines[number] = lines.get(number, 0) + line["count"]
    return files


def ranges(numbers):
    """[1, 2, 3, 7] as "1-3, 7"."""
    out = []
    for number in numbers:
        if out and number == out[-1][1] + 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def percent(reached, lines):
    return 100.0 * reached / lines if lines else 100.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--lines", action="store_true")
    arguments = parser.parse_args()
    root = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    build = os.path.realpath(arguments.build)
    notes = [os.path.join(folder, name) for folder, _, names in os.walk(os.path.join(build, "framework"))
             for name in names if name.endswith(".gcno")]
    if not notes:
        sys.exit(f"coverage: {build} is not built with --coverage")

    modules = collections.defaultdict(lambda: [0, 0])
    for path, lines in sorted(run_gcov(build, notes).items()):
        name = os.path.relpath(path, root)
        if not name.startswith("framework/"):
            continue
        missed = sorted(number for number, count in lines.items() if count == 0)
        reached = len(lines) - len(missed)
        total = modules[name.split("/")[1]]
        total[0] += reached
        total[1] += len(lines)
        print(f"{percent(reached, len(lines)):6.1f} %  {reached:5} of {len(lines):5}  {name}")
        if arguments.lines and missed:
            print(f"{'':28}not {ranges(missed)}")
    print()
    low = []
    for module, (reached, lines) in sorted(modules.items()):
        is_low = module in GATED and percent(reached, lines) < LEAST
        low += [module] if is_low else []
        print(f"{percent(reached, lines):6.1f} %  {reached:5} of {lines:5}  {module}"
              f"{f'  (at least {LEAST:.0f} %)' if module in GATED else ''}{'  TOO LOW' if is_low else ''}")
    missing = [module for module in GATED if module not in modules]
    if low or missing:
        sys.exit(f"coverage: FAILED: {', '.join(low + missing)}")
    print(f"coverage: {', '.join(GATED)} at {LEAST:.0f} % or more")


if __name__ == "__main__":
    main()
