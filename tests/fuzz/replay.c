/*
 * Runs a fuzz target over files, without libFuzzer: its corpus under any compiler and sanitizer.
 *
 *     fuzz_TARGET FILE|FOLDER...
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static unsigned replayed;

static int replay_file(const char *path)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "rb");
    FILE *memory = open_memstream((char **)&bytes, &size);
    int c;

    if (file == NULL || memory == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    while ((c = getc(file)) != EOF)
        putc(c, memory);
    fclose(file);
    fclose(memory);
    fprintf(stderr, "%s\n", path); /* the last one that stands there is the one that fails */
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    replayed++;
    return 0;
}

static int replay(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    int r = 0;

    if (count < 0)
        return replay_file(path);
    for (int i = 0; i < count; i++) {
        char below[4096];

        snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && replay_file(below) < 0)
            r = -1;
        free(entries[i]);
    }
    free(entries);
    return r;
}

int main(int argc, char **argv)
{
    int r = 0;

    for (int i = 1; i < argc; i++) {
        if (replay(argv[i]) < 0)
            r = 1;
    }
    printf("%u inputs replayed\n", replayed);
    if (replayed == 0)
        r = 1;
    return r;
}
