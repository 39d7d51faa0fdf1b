/* Runs a fuzz target on every file of a folder, and on what mutations of it are simple and mean:
 * every file cut short, and with single bytes changed. Fails when there is no file. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { LARGEST = 1 << 20, MUTATIONS = 64 };

/* A copy of exactly this size, so that a sanitizer sees the first byte behind it. */
static void run_copy(const uint8_t *bytes, size_t size, size_t changed, uint8_t value)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) exit(2);
    if (size) memcpy(copy, bytes, size);
    if (changed < size) copy[changed] = value;
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void replay(const char *path)
{
    static uint8_t bytes[LARGEST];
    FILE *stream = fopen(path, "rb");
    if (!stream) {
        perror(path);
        exit(2);
    }
    size_t size = fread(bytes, 1, sizeof bytes, stream);
    fclose(stream);
    run_copy(bytes, size, SIZE_MAX, 0);
    size_t step = size / MUTATIONS + 1;
    for (size_t at = 0; at < size; at += step) {
        run_copy(bytes, at, SIZE_MAX, 0);
        run_copy(bytes, size, at, (uint8_t)~bytes[at]);
        run_copy(bytes, size, at, 0);
        run_copy(bytes, size, at, 0xff);
    }
}

int main(int count, char **arguments)
{
    int files = 0;
    for (int i = 1; i < count; i++) {
        DIR *folder = opendir(arguments[i]);
        if (!folder) {
            perror(arguments[i]);
            return 2;
        }
        for (struct dirent *entry; (entry = readdir(folder));) {
            char path[4096];
            if (entry->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "%s/%s", arguments[i], entry->d_name);
            replay(path);
            files++;
        }
        closedir(folder);
    }
    printf("%d inputs\n", files);
    return files ? 0 : 1;
}
