#include "data/file/places.h"
#include "base/file.h"
#include "data/file/array_file.h"

#include <dirent.h>
#include <string.h>

fm_status fm_path_join(fm_text *path, const char *folder, const char *name)
{
    size_t length = strlen(folder);
    fm_text_clear(path);
    fm_text_add(path, "%s%s%s", folder, length && folder[length - 1] != '/' ? "/" : "", name);
    return fm_text_status(path);
}

/* Is it there? Notes where it looked. */
static fm_status try_folder(const char *folder, const char *name, fm_text *path, fm_text *tried,
                            bool *found)
{
    fm_status status = fm_path_join(path, folder, name);
    if (status != FM_OK) return status;
    *found = fm_file_exists(fm_text_string(path));
    if (!*found) fm_text_add(tried, "%s%s", tried->size ? ", " : "", fm_text_string(path));
    return fm_text_status(tried);
}

/* In the folders within `folder`: collections keep their sets in folders of their own. The first by
 * name of those that have it, so that the result does not depend on the file system's order. */
static fm_status try_inner_folders(fm_context *context, const char *folder, const char *name,
                                   fm_text *path, bool *found)
{
    DIR *open_folder = opendir(folder);
    if (!open_folder) return FM_OK;
    fm_text inner = FM_TEXT(context), candidate = FM_TEXT(context);
    fm_status status = FM_OK;
    for (const struct dirent *entry; status == FM_OK && (entry = readdir(open_folder));) {
        if (entry->d_name[0] == '.') continue;
        status = fm_path_join(&inner, folder, entry->d_name);
        if (status == FM_OK) status = fm_path_join(&candidate, fm_text_string(&inner), name);
        if (status != FM_OK || !fm_file_exists(fm_text_string(&candidate))) continue;
        if (*found && strcmp(fm_text_string(&candidate), fm_text_string(path)) > 0) continue;
        *found = true;
        fm_text_clear(path);
        fm_text_add(path, "%s", fm_text_string(&candidate));
        status = fm_text_status(path);
    }
    closedir(open_folder);
    fm_text_release(&inner);
    fm_text_release(&candidate);
    return status;
}

static fm_status search(const fm_data_places *places, const char *name, fm_text *path,
                        fm_text *tried, bool *found)
{
    fm_status status = FM_OK;
    const char *const *folders = places ? places->folders : NULL;
    const char *names[] = {name, fm_file_name(name)};
    *found = false;
    for (int k = 0; k < 2 && folders && name[0] != '/'; k++) {
        if (k == 1 && names[1] == name) break;
        for (int i = 0; folders[i] && status == FM_OK && !*found; i++) {
            status = try_folder(folders[i], names[k], path, tried, found);
        }
    }
    for (int i = 0; folders && folders[i] && name[0] != '/' && status == FM_OK && !*found; i++) {
        status = try_inner_folders(path->context, folders[i], names[1], path, found);
    }
    if (status == FM_OK && !*found) status = try_folder("", name, path, tried, found);
    return status;
}

fm_status fm_places_find(fm_context *context, const fm_data_places *places, const char *name,
                         fm_text *path)
{
    fm_text tried = FM_TEXT(context);
    bool found;
    fm_status status = search(places, name, path, &tried, &found);
    if (status == FM_OK && !found) {
        const char *from = places ? places->from : NULL;
        status = fm_fail(context, FM_ERROR_NOT_FOUND,
                         "%s: there is no such file (looked for %s); name the folder that holds it "
                         "(the program: --data DIR or FATHOM_DATA)%s%s",
                         name, fm_text_string(&tried), from ? "; it can be had from " : "",
                         from ? from : "");
    }
    fm_text_release(&tried);
    return status;
}
