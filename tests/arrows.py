#!/usr/bin/env python3
"""Reads the includes of every source file and fails when one goes against an arrow.

    main -> cli -> node -> {net, discovery, trust, storage, doctor} -> {async, base} -> protocol

A room includes itself and what lies below it, never what lies above or beside. protocol/ knows the standard library
and, in .cpp files, nlohmann/json; nothing in it opens a file, a socket or a thread.

Usage: arrows.py SOURCE_ROOT
"""

import pathlib
import re
import sys

HEIGHT = {
    "protocol": 0,
    "async": 1, "base": 1,
    "net": 2, "discovery": 2, "trust": 2, "storage": 2, "doctor": 2,
    "node": 3,
    "cli": 4,
    "main": 5,
}
# Of the standard library, what would make protocol/ do more than compute.
NOT_IN_PROTOCOL = {
    "barrier", "condition_variable", "csignal", "cstdio", "filesystem", "fstream", "future", "iostream", "latch",
    "mutex", "random", "semaphore", "shared_mutex", "stop_token", "syncstream", "thread",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    """The room of a source file, by its path below the source root."""
    if path.parts[0] == "protocol":
        return "protocol"
    return path.parts[1] if len(path.parts) > 2 else "main"


def wrong(path, quote, included):
    """Why `path` may not include `included`, or None."""
    room = room_of(path)
    parts = pathlib.PurePosixPath(included).parts
    target = parts[1] if parts[0] == "peer" and len(parts) > 1 else parts[0]
    if ".." in parts:
        return "paths begin at a room"
    if quote == "<" and included == "net/if.h":  # the system's, not our room
        return None
    if quote == '"' or (len(parts) > 1 and target in HEIGHT):
        if target not in HEIGHT:
            return "there is no such room"
        if target != room and HEIGHT[target] >= HEIGHT[room]:
            return f"{room} does not know {target}"
        return None
    if room != "protocol":
        return None
    if included == "nlohmann/json.hpp":
        return None if path.suffix == ".cpp" else "JSON stays in the .cpp files of protocol/"
    if "/" in included or "." in included or included in NOT_IN_PROTOCOL:
        return "protocol/ knows the standard library alone, and of that nothing that does I/O"
    return None


def main():
    root = pathlib.Path(sys.argv[1])
    files = sorted(p for top in ("protocol", "peer") for p in (root / top).rglob("*") if p.suffix in (".cpp", ".hpp"))
    failures = []
    for file in files:
        path = file.relative_to(root)
        if room_of(path) not in HEIGHT:
            failures.append(f"{path}: {room_of(path)} is no room")
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            why = match and wrong(path, match[1], match[2])
            if why:
                failures.append(f"{path}:{number}: {line.strip()}: {why}")
    print("\n".join(failures) or f"{len(files)} files keep to the arrows")
    return 1 if failures or not files else 0


if __name__ == "__main__":
    sys.exit(main())
