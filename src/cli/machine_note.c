#include "cli/machine_note.h"
#include "cli/json_lines.h"
#include "cli/terminal.h"
#include "fathom/model_file.h"

#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#if FATHOM_HAVE_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#endif

const char machine_note_key[] = "machine";

/* ---- what the system says -------------------------------------------------------------------- */

/* The first line of /proc/cpuinfo that names the processor; false on systems without one. */
static bool read_processor(char *name, size_t size)
{
    static const char *const keys[] = {"model name", "Processor", "cpu model"};
    char line[512];
    bool found = false;
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && !found && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        for (size_t i = 0; colon && i < sizeof keys / sizeof *keys; i++) {
            if (strncmp(line, keys[i], strlen(keys[i])) != 0) continue;
            colon += 1 + strspn(colon + 1, " \t");
            snprintf(name, size, "%.*s", (int)strcspn(colon, "\n"), colon);
            found = *name != '\0';
            break;
        }
    }
    if (file) fclose(file);
    return found;
}

static void add_system(json_t *note)
{
    struct utsname system;
    char words[512];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (read_processor(words, sizeof words)) {
        json_object_set_new(note, "processor", json_text(words));
    }
    if (cores > 0) json_object_set_new(note, "cores", json_integer(cores));
    if (pages > 0 && page > 0) {
        json_object_set_new(note, "memory", json_integer((json_int_t)pages * page));
    }
    if (uname(&system) != 0) return;
    snprintf(words, sizeof words, "%.100s %.100s %.100s", system.sysname, system.release,
             system.machine);
    json_object_set_new(note, "system", json_text(words));
}

static void add_versions(json_t *note)
{
    char words[256];
    json_object_set_new(note, "fathom", json_string(FM_VERSION));
#if defined(__clang__)
    json_object_set_new(note, "compiler", json_string("Clang " __clang_version__));
#else
    json_object_set_new(note, "compiler", json_string("GCC " __VERSION__));
#endif
    int used = snprintf(words, sizeof words, "glibc %s", gnu_get_libc_version());
#if FATHOM_HAVE_ONEDNN
    const dnnl_version_t *dnnl = dnnl_version();
    used += snprintf(words + used, sizeof words - (size_t)used, ", oneDNN %d.%d.%d", dnnl->major,
                     dnnl->minor, dnnl->patch);
#endif
    snprintf(words + used, sizeof words - (size_t)used, ", jansson %s", JANSSON_VERSION);
    json_object_set_new(note, "libraries", json_string(words));
}

fm_status machine_note_set(fm_model *model)
{
    json_t *note = json_object();
    add_system(note);
    add_versions(note);
    char *text = json_dumps(note, JSON_COMPACT);
    json_decref(note);
    fm_status status = text ? fm_model_set_note(model, machine_note_key, text) : FM_OK;
    free(text);
    return status;
}

/* ---- what a note says ------------------------------------------------------------------------ */

void machine_note_read(const char *note,
                       void (*row)(void *user, const char *name, const char *words), void *user)
{
    const char *name;
    json_t *value, *object = note ? json_loads(note, 0, NULL) : NULL;
    json_object_foreach(object, name, value)
    {
        char words[64];
        if (json_is_string(value)) {
            row(user, name, json_string_value(value));
        } else if (json_is_integer(value) && strcmp(name, "memory") == 0) {
            row(user, name, show_bytes((double)json_integer_value(value), words));
        } else if (json_is_integer(value)) {
            snprintf(words, sizeof words, "%lld", (long long)json_integer_value(value));
            row(user, name, words);
        }
    }
    json_decref(object);
}
