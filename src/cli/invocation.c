#include "cli/invocation.h"
#include "cli/exit_codes.h"
#include "cli/json_lines.h"
#include "cli/memory_check.h"
#include "cli/unfinished_file.h"
#include "base/context.h"
#include "base/file.h"
#include "fathom/data_files.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- where data is --------------------------------------------------------------------------- */

static bool show_download(void *user, const char *file, int64_t received, int64_t total)
{
    invocation *s = user;
    char got[32], all[32], bar[256], line[512];
    if (total > 0) {
        terminal_bar(&s->err, (double)received / (double)total, 24, bar, sizeof bar);
        snprintf(line, sizeof line, "%.60s  %s  %s of %s", file, bar,
                 show_bytes((double)received, got), show_bytes((double)total, all));
    } else {
        snprintf(line, sizeof line, "%.60s  %s", file, show_bytes((double)received, got));
    }
    terminal_draw(&s->err, line);
    return true;
}

/* The XDG base directory specification: $XDG_CACHE_HOME, else ~/.cache. */
static const char *find_cache(invocation *s)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int size = -1;
    if (cache && *cache == '/') {
        size = snprintf(s->cache, sizeof s->cache, "%s/fathom", cache);
    } else if (home && *home) {
        size = snprintf(s->cache, sizeof s->cache, "%s/.cache/fathom", home);
    }
    return size > 0 && size < (int)sizeof s->cache ? s->cache : NULL;
}

static void find_places(invocation *s)
{
    const char *shared = getenv("FATHOM_DATA");
    int count = 0;
    if (s->given->data) s->folders[count++] = s->given->data;
    if (shared && *shared) s->folders[count++] = shared;
    s->places = (fm_data_places){
        .folders = s->folders,
        .cache = find_cache(s),
        .progress = s->given->quiet ? NULL : show_download,
        .progress_user = s,
    };
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void print_log(void *user, fm_log_level level, const char *message)
{
    invocation *s = user;
    if (level == FM_LOG_DEBUG || (s->given->quiet && level != FM_LOG_WARNING)) return;
    terminal_wipe(&s->err);
    fprintf(stderr, "%s%s\n", level == FM_LOG_WARNING ? "warning: " : "", message);
}

/* A large piece that is not free is refused: the system would promise it, and kill who fills it. */
static void *allocate(void *user, size_t size)
{
    enum { LARGE = 64 << 20 };
    (void)user;
    return size >= LARGE && (double)size > memory_free() ? NULL : malloc(size);
}

bool invocation_open(invocation *s, const arguments *given)
{
    *s = (invocation){.given = given, .out = terminal_of(stdout), .err = terminal_of(stderr)};
    find_places(s);
    fm_context_options options = {.allocate = allocate,
                                  .log = print_log,
                                  .log_user = s,
                                  .temporary = unfinished_file_note,
                                  .threads = (int)given->threads};
    if (fm_context_create(&options, &s->context) == FM_OK) return true;
    fprintf(stderr, "fathom: not enough memory to begin\n");
    return false;
}

int invocation_close(invocation *s, fm_status status)
{
    int code = exit_code_of(status);
    terminal_wipe(&s->err);
    if (status != FM_OK && status != FM_ERROR_CANCELLED) {
        fprintf(stderr, "%sfathom %s:%s %s\n", terminal_red(&s->err), s->given->command->name,
                terminal_plain(&s->err), fm_error_message(s->context));
        if (s->given->json) {
            json_print(json_pack("{s:s, s:s, s:o, s:i}", "event", "error", "status",
                                 fm_status_name(status), "message",
                                 json_text(fm_error_message(s->context)), "exit_code", code));
        }
    }
    fm_context_destroy(s->context);
    return code;
}

/* ---- a saved model --------------------------------------------------------------------------- */

static fm_status read_notes(invocation *s, const char *path, saved_model *saved)
{
    const char *recipe = fm_model_file_note(saved->file, "recipe");
    saved->transform_json = fm_model_file_note(saved->file, "transform");
    if (!recipe || !saved->transform_json) {
        return fm_fail(s->context, FM_ERROR_FORMAT,
                       "%s: holds tensors but no recipe: it was not written by 'fathom train'",
                       path);
    }
    char name[512];
    snprintf(name, sizeof name, "%.480s (its recipe)", path);
    fm_status status = fm_recipe_parse(s->context, name, recipe, strlen(recipe),
                                       s->given->set.items, s->given->set.count, &saved->recipe);
    if (status != FM_OK) return status;
    status = fm_transform_from_json(s->context, saved->transform_json,
                                    strlen(saved->transform_json), &saved->transform);
    return status == FM_OK ? status : fm_fail_prefix(s->context, "%s: ", path);
}

static bool is_recipe(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

bool is_saved_model(const char *path)
{
    static const char ending[] = ".safetensors";
    enum { SIZE = 8 }; /* bytes of the header's size, of which the last is 0; '{' follows */
    const char *dot = strrchr(path, '.');
    char start[SIZE + 1] = "";
    if (is_recipe(path)) return false;
    if (dot && strcmp(dot, ending) == 0) return true;
    FILE *file = fopen(path, "rb");
    size_t read = file ? fread(start, 1, sizeof start, file) : 0;
    if (file) fclose(file);
    return read == sizeof start && start[SIZE - 1] == '\0' && start[SIZE] == '{';
}

fm_status invocation_open_recipe(invocation *s, fm_recipe **recipe)
{
    const arguments *given = s->given;
    const char *path = given->positional.items[0];
    if (is_saved_model(path)) {
        *recipe = NULL;
        return fm_fail(s->context, FM_ERROR_ARGUMENT,
                       "%s: is a saved model, a recipe was expected; to train it further: fathom "
                       "train --resume %s",
                       path, path);
    }
    return fm_recipe_open(s->context, path, given->set.items, given->set.count, recipe);
}

/* What takes long must not end with "permission denied". */
static fm_status check_outputs(invocation *s)
{
    const char *path;
    fm_status status = FM_OK;
    for (int i = 0; status == FM_OK && (path = arguments_output(s->given, i)); i++) {
        status = fm_file_check_writable(s->context, path);
    }
    return status;
}

fm_status saved_model_open(invocation *s, const char *path, saved_model *saved)
{
    *saved = (saved_model){0};
    if (is_recipe(path)) {
        return fm_fail(s->context, FM_ERROR_ARGUMENT,
                       "%s: is a recipe; train it first: fathom train %s", path, path);
    }
    fm_status status = check_outputs(s);
    if (status == FM_OK) status = fm_model_file_open(s->context, path, &saved->file);
    if (status == FM_OK) status = read_notes(s, path, saved);
    if (status == FM_OK) {
        status = fm_recipe_create_model(saved->recipe, saved->transform, &saved->model);
    }
    if (status == FM_OK) {
        fm_model_set_precision(saved->model, (fm_precision)s->given->precision);
        status = fm_model_load(saved->model, path, &(fm_load_options){.weights_only = true});
    }
    if (status != FM_OK) saved_model_close(saved);
    return status;
}

void saved_model_close(saved_model *saved)
{
    fm_model_destroy(saved->model);
    fm_transform_destroy(saved->transform);
    fm_recipe_destroy(saved->recipe);
    fm_model_file_close(saved->file);
    *saved = (saved_model){0};
}
