/*
 * Runs a command as on a kernel before 6.13: valgrind takes pages under MADV_GUARD_INSTALL for
 * readable, and dies of them; guards by mprotect it knows.
 *
 *     old-kernel COMMAND ARGUMENT...
 */
#include <stdio.h>
#include <unistd.h>

#include "../unit/fiber/old_kernel.h"

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: old-kernel COMMAND ARGUMENT...\n", stderr);
        return 2;
    }
    if (!be_an_old_kernel()) {
        perror("old-kernel: seccomp");
        return 126;
    }
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return 127;
}
