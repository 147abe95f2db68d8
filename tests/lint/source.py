#!/usr/bin/env python3
"""What the sources' text must keep to, all in one pass; prints FILE:LINE: WHAT and exits 1.

- text files: UTF-8, no tabs, no trailing space, a newline at the end, no conflict marks, no carriage
  returns; at most 100 columns in C, 120 in scripts and the like
- C: comments are /* */; files of at most 600 lines; #include names no folder of another module
- framework/ and include/: no banned functions; system calls, threads, clocks, allocation and the
  libraries only in the modules that are there for them
"""

import os
import re
import sys

COLUMNS, SCRIPT_COLUMNS, FILE_LINES = 100, 120, 600
TEXT = (".c", ".h", ".S", ".cc", ".py", ".sh", ".cmake", ".proto", ".txt", ".md", ".json", ".ini", ".yml",
        ".in", "run", "dev", ".clang-format", ".clang-tidy", ".editorconfig", ".gitattributes", ".gitignore")
C = (".c", ".h")
# Where lines may be as long as they must: tables, pinned versions, what programs have written.
WIDE = (".md", ".txt", ".json", ".py", ".proto", ".expected")
SKIPPED = {".git", "build", "__pycache__", "golden", "bad", "corpus"}

SOCKETS = ("socket bind listen accept accept4 connect recv recvfrom recvmsg send sendto sendmsg setsockopt getsockopt "
           "getsockname getpeername shutdown epoll_create epoll_create1 epoll_ctl epoll_wait poll ppoll select pselect "
           "eventfd pipe pipe2 read readv writev open openat close dup dup2")
CLOCKS = "clock_gettime clock_getres gettimeofday time ftime nanosleep clock_nanosleep usleep sleep timerfd_create"
THREADS = ("pthread_create pthread_join pthread_cond_wait pthread_cond_timedwait sem_wait thrd_create "
           "fork vfork execve signalfd sigwait sigtimedwait syscall")
MEMORY = ("malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf posix_memalign aligned_alloc "
          "malloc_usable_size getline")
# Function -> the modules that may call it (in the whole framework/, but for codegen).
PLACES = [
    (SOCKETS, {"reactor", "runtime"}, "a system call outside reactor and runtime"),
    (CLOCKS, {"reactor", "runtime"}, "a clock outside reactor and runtime"),
    (THREADS, {"runtime"}, "threads, processes and raw system calls are runtime's"),
    ("pthread_mutex_lock pthread_rwlock_rdlock pthread_rwlock_wrlock pthread_spin_lock", {"runtime", "fiber"},
     "a lock outside runtime and the stack pool"),
    ("getaddrinfo getnameinfo", {"net"}, "names are resolved in net"),
    ("mmap munmap mprotect madvise", {"fiber"}, "memory is mapped in fiber"),
    ("write", {"base", "fiber", "reactor", "runtime"}, "a system call outside reactor and runtime"),
]
# Allocation goes through base/alloc.c; posix_memalign of the ring's buffers is freed where it is made.
MEMORY_FILES = {"framework/base/alloc.c": MEMORY, "framework/reactor/uring.c": "posix_memalign free"}
BANNED = ("sprintf vsprintf strcpy stpcpy strcat strncat atoi atol atoll atof gets alloca strtok rand srand system tmpnam "
          "mktemp abort")
BANNED_IN_LIBRARY = "printf vprintf puts putchar fprintf vfprintf fputs fputc fwrite perror exit _exit quick_exit getenv setjmp longjmp"
LIBRARIES = {"liburing": {"reactor"}, "nghttp2": {"http"}, "protobuf-c": {"codec", "codegen"}, "openssl": {"net"}}
# The one place where a failed invariant ends the process.
ABORT_FILES = {"framework/base/assertion.c"}

TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
CALL = re.compile(r"(?<![\w.>])([a-z_][a-z0-9_]*)\s*\(")
DEFINED = re.compile(r"^(?:static|extern)\s[^;={]*?\b([a-z_][a-z0-9_]*)\(", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

errors = []


def complain(path, line, what):
    errors.append(f"{path}:{line}: {what}")


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def blank(match):
    """A comment or a literal as blanks, so that offsets and lines stay what they are."""
    text = match.group(0)
    kept = '""' if text[0] in "\"'" else "  "
    return kept + re.sub(r"[^\n]", " ", text[2:]) if len(text) >= 2 else text


def check_text(path, text):
    columns = COLUMNS if path.endswith(C) else SCRIPT_COLUMNS
    is_wide = path.endswith(WIDE)
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line:
            complain(path, number, "a tab")
        if line != line.rstrip():
            complain(path, number, "trailing space")
        if line.startswith(("<<<<<<< ", ">>>>>>> ")):
            complain(path, number, "a conflict mark")
        if len(line) > columns and not is_wide:
            complain(path, number, f"{len(line)} columns")
    if text and not text.endswith("\n"):
        complain(path, line_of(text, len(text)), "no newline at the end")


def check_c(path, text, code):
    lines = text.count("\n")
    if lines > FILE_LINES:
        complain(path, lines, f"{lines} lines, of {FILE_LINES} at most")
    for match in TOKEN.finditer(text):
        if match.group(0).startswith("//"):
            complain(path, line_of(text, match.start()), "a comment with //")
    for match in INCLUDE.finditer(text):
        first, slash, _ = match.group(2).partition("/")
        if slash and not path.startswith("tests/") and (
                first == ".." or os.path.isdir(f"framework/{first}")):
            complain(path, line_of(text, match.start()), "an #include that goes past the layering")
    for name, line in calls(code):
        if name in BANNED.split() and path not in ABORT_FILES and not path.startswith(("bench/", "tests/")):
            complain(path, line, f"{name}() is banned")


def calls(code):
    own = set(DEFINED.findall(code))
    for match in CALL.finditer(code):
        if match.group(1) not in own:
            yield match.group(1), line_of(code, match.start())


def check_library(path, text, code, module):
    for name, line in calls(code):
        for names, modules, what in PLACES:
            if name in names.split() and module not in modules:
                complain(path, line, f"{name}(): {what}")
        if name in MEMORY.split() and name not in MEMORY_FILES.get(path, "").split():
            complain(path, line, f"{name}(): memory comes from base/alloc.h")
        if name in BANNED_IN_LIBRARY.split():
            complain(path, line, f"{name}(): the library does not print or exit")


def check_libraries(path, text, module):
    for match in INCLUDE.finditer(text):
        modules = LIBRARIES.get(match.group(2).split("/")[0].removesuffix(".h"))
        if modules is not None and module not in modules:
            complain(path, line_of(text, match.start()), f"<{match.group(2)}> is for {', '.join(sorted(modules))}")


def check_file(path):
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
    except UnicodeDecodeError:
        complain(path, 1, "not UTF-8")
        return
    check_text(path, text)
    if not path.endswith(C):
        return
    code = TOKEN.sub(blank, text)
    check_c(path, text, code)
    folder, _, rest = path.partition("/")
    if folder == "include":
        check_libraries(path, text, "include")
    if folder == "framework":
        module = rest.partition("/")[0]
        check_libraries(path, text, module)
        if module != "codegen":
            check_library(path, text, code, module)


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    count = 0
    for folder, folders, names in os.walk("."):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name))
            if path.endswith(TEXT) and not os.path.islink(path):
                check_file(path)
                count += 1
    print("\n".join(errors) or f"{count} files")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
