/*
 * Preloaded into a server by bench/memory/run: when the file named by BENCH_BINS appears, writes
 * into it how many blocks of which size jemalloc has given out. So the heap can be told apart
 * without a word of this in the server.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARENAS_ALL 4096 /* MALLCTL_ARENAS_ALL of jemalloc 5 */
#define LOOK_US 20000

extern int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size)
    __attribute__((weak));

static size_t number(const char *format, unsigned index)
{
    char name[80];
    size_t value = 0, size = sizeof(value);

    snprintf(name, sizeof(name), format, ARENAS_ALL, index);
    return mallctl(name, &value, &size, NULL, 0) == 0 ? value : 0;
}

static size_t class_size(const char *format, unsigned index)
{
    char name[80];
    size_t value = 0, size = sizeof(value);

    snprintf(name, sizeof(name), format, index);
    return mallctl(name, &value, &size, NULL, 0) == 0 ? value : 0;
}

static void write_bins(FILE *file)
{
    uint64_t epoch = 1;
    unsigned bins = 0, larges = 0;
    size_t size = sizeof(bins);

    mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
    mallctl("arenas.nbins", &bins, &size, NULL, 0);
    mallctl("arenas.nlextents", &larges, &size, NULL, 0);
    for (unsigned i = 0; i < bins; i++)
        fprintf(file, "%zu %zu\n", class_size("arenas.bin.%u.size", i),
                number("stats.arenas.%u.bins.%u.curregs", i));
    for (unsigned i = 0; i < larges; i++)
        fprintf(file, "%zu %zu\n", class_size("arenas.lextent.%u.size", i),
                number("stats.arenas.%u.lextents.%u.curlextents", i));
    fputs("end\n", file);
}

static void *watch(void *argument)
{
    const char *path = argument;

    for (;; usleep(LOOK_US)) {
        FILE *file = access(path, F_OK) == 0 ? fopen(path, "r+") : NULL;

        if (file == NULL)
            continue;
        if (fgetc(file) == EOF)
            write_bins(file);
        fclose(file);
    }
    return NULL;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("BENCH_BINS");
    pthread_t thread;
    sigset_t all, old;

    if (path == NULL || mallctl == NULL)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (pthread_create(&thread, NULL, watch, (void *)(uintptr_t)path) == 0)
        pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}
