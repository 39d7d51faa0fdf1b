#define _GNU_SOURCE
#include "data/file/file_list.h"
#include "base/file.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEEPEST = 16, MOST_FILES = 1 << 26 };

static bool is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

bool fm_has_ending(const char *name, const char *const *endings)
{
    const char *dot = strrchr(name, '.');
    for (; dot && *endings; endings++) {
        size_t k = 0;
        while (dot[1 + k] && tolower((unsigned char)dot[1 + k]) == (*endings)[k]) k++;
        if (!dot[1 + k] && !(*endings)[k]) return true;
    }
    return false;
}

static fm_status add(fm_file_list *list, fm_listed_file file)
{
    if (list->count == MOST_FILES) {
        return fm_fail(list->context, FM_ERROR_LIMIT, "%s: more than %d %s", file.path, MOST_FILES,
                       list->kind->plural);
    }
    fm_status status =
        fm_grow(list->context, &list->files, &list->capacity, list->count + 1, sizeof *list->files);
    if (status == FM_OK) list->files[list->count++] = file;
    return status;
}

/* ---- folders ---- */

static fm_status walk_folder(fm_file_list *list, const char *folder, size_t root, int depth);

static fm_status take_entry(fm_file_list *list, const char *folder, const char *name, size_t root,
                            int depth)
{
    if (name[0] == '.') return FM_OK;
    const char *path = fm_arena_format(&list->words, "%s/%s", folder, name);
    if (!path) return FM_ERROR_MEMORY;
    if (list->kind->is_named(name)) return add(list, (fm_listed_file){path + root, path, NULL, 0});
    return is_folder(path) ? walk_folder(list, path, root, depth + 1) : FM_OK;
}

static fm_status walk_folder(fm_file_list *list, const char *folder, size_t root, int depth)
{
    if (depth == DEEPEST) {
        return fm_fail(list->context, FM_ERROR_LIMIT, "%s: more than %d folders deep", folder,
                       DEEPEST);
    }
    DIR *open_folder = opendir(folder);
    if (!open_folder) return fm_fail_system(list->context, folder, "open");
    fm_status status = FM_OK;
    for (const struct dirent *entry; status == FM_OK && (entry = readdir(open_folder));) {
        status = take_entry(list, folder, entry->d_name, root, depth);
    }
    closedir(open_folder);
    return status;
}

/* ---- archives ---- */

/* The length of "TOP/" where all names begin so, else 0. */
static size_t common_top(const fm_archive_file *files, size_t count)
{
    const char *slash = count ? strchr(files[0].name, '/') : NULL;
    if (!slash) return 0;
    size_t top = (size_t)(slash - files[0].name) + 1;
    for (size_t i = 1; i < count; i++) {
        if (strncmp(files[i].name, files[0].name, top) != 0) return 0;
    }
    return top;
}

static fm_status take_archive(fm_file_list *list, const char *path)
{
    if (list->archive) {
        return fm_fail(list->context, FM_ERROR_ARGUMENT, "%s: one archive at a time", path);
    }
    fm_status status = fm_archive_open(list->context, path, &list->archive);
    if (status != FM_OK) return status;
    size_t count;
    const fm_archive_file *files = fm_archive_files(list->archive, &count);
    size_t top = common_top(files, count);
    for (size_t i = 0; i < count && status == FM_OK; i++) {
        if (!list->kind->is_named(files[i].name)) continue;
        const char *full = fm_arena_format(&list->words, "%s:%s", path, files[i].name);
        if (!full) return FM_ERROR_MEMORY;
        status =
            add(list, (fm_listed_file){files[i].name + top, full, files[i].bytes, files[i].size});
    }
    return status;
}

/* ---- all ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const fm_listed_file *)a)->name, ((const fm_listed_file *)b)->name);
}

static fm_status take_folder(fm_file_list *list, const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') size--;
    const char *folder = fm_arena_format(&list->words, "%.*s", (int)size, path);
    return folder ? walk_folder(list, folder, size + 1, 0) : FM_ERROR_MEMORY;
}

static fm_status take_file(fm_file_list *list, const char *path)
{
    const char *copy = fm_arena_string(&list->words, path);
    return copy ? add(list, (fm_listed_file){copy, copy, NULL, 0}) : FM_ERROR_MEMORY;
}

fm_status fm_file_list_add(fm_file_list *list, const char *path)
{
    size_t before = list->count;
    bool folder = is_folder(path), archive = !folder && fm_archive_is_named(path);
    fm_status status = folder    ? take_folder(list, path)
                       : archive ? take_archive(list, path)
                                 : take_file(list, path);
    if (status != FM_OK) return status;
    if (list->count == before) {
        return fm_fail(list->context, FM_ERROR_NOT_FOUND, "%s: holds no %s (%s)", path,
                       list->kind->plural, list->kind->endings);
    }
    qsort(list->files + before, list->count - before, sizeof *list->files, by_name);
    return FM_OK;
}

fm_status fm_file_list_create(fm_context *context, const fm_file_kind *kind, fm_file_list **list)
{
    *list = fm_allocate_zeroed(context, sizeof **list);
    if (!*list) return FM_ERROR_MEMORY;
    **list = (fm_file_list){
        .context = context, .references = 1, .kind = kind, .words = {.context = context}};
    return FM_OK;
}

fm_status fm_file_list_open(fm_context *context, const fm_file_kind *kind, const char *path,
                            fm_file_list **list)
{
    *list = NULL;
    if (fm_file_exists(path) && !is_folder(path) && !fm_archive_is_named(path)) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: is no folder, nor an archive by its name (.tar, .tar.gz, .tgz, "
                       ".tar.xz or .txz)",
                       path);
    }
    fm_status status = fm_file_list_create(context, kind, list);
    if (status == FM_OK) status = fm_file_list_add(*list, path);
    if (status == FM_OK) return FM_OK;
    fm_file_list_release(*list);
    *list = NULL;
    return status;
}

fm_file_list *fm_file_list_retain(fm_file_list *list)
{
    list->references++;
    return list;
}

void fm_file_list_release(fm_file_list *list)
{
    if (!list || --list->references > 0) return;
    fm_context *context = list->context;
    fm_archive_close(list->archive);
    fm_release(context, list->files);
    fm_arena_release(&list->words);
    fm_release(context, list);
}

/* ---- broken files ---- */

const char *const fm_broken_names[] = {"fail", "skip", NULL};

void fm_left_out_tell(fm_context *context, int64_t broken)
{
    enum { MOST_NAMED = 20 };
    if (broken > MOST_NAMED) return;
    fm_report(context, FM_LOG_WARNING, "left out: %s", fm_error_message(context));
}

void fm_left_out_count(fm_context *context, const char *set, const fm_file_kind *kind,
                       int64_t broken, int64_t all)
{
    if (broken == 0) return;
    fm_report(context, FM_LOG_WARNING, "%s: %lld of %lld %s cannot be read and are left out", set,
              (long long)broken, (long long)all, kind->plural);
    fm_error_clear(context);
}

/* ---- parts ---- */

static bool has_folder(const fm_file_list *list, const char *folder)
{
    for (size_t i = 0; i < list->count; i++) {
        if (fm_name_in(folder, list->files[i].name)) return true;
    }
    return false;
}

fm_file_parts fm_file_list_parts(const fm_file_list *list)
{
    static const char *const test_names[] = {"test/", "val/", "validation/", "valid/"};
    fm_file_parts found = {{"", NULL}};
    if (!has_folder(list, "train/")) return found;
    found.folder[0] = "train/";
    for (size_t i = 0; i < sizeof test_names / sizeof test_names[0] && !found.folder[1]; i++) {
        if (has_folder(list, test_names[i])) found.folder[1] = test_names[i];
    }
    return found;
}

const char *fm_name_in(const char *folder, const char *name)
{
    size_t size = strlen(folder);
    return strncmp(name, folder, size) == 0 ? name + size : NULL;
}
