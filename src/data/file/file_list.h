/* The files of one kind, such as pictures, in a folder or an archive, sorted by name. */
#ifndef FM_DATA_FILE_LIST_H
#define FM_DATA_FILE_LIST_H

#include "base/text.h"
#include "data/file/archive.h"

typedef struct fm_listed_file {
    const char *name;     /* within the folder or archive: "train/rose/1.jpg" */
    const char *path;     /* of the file, or ARCHIVE:NAME; for errors as well */
    const uint8_t *bytes; /* in the archive, or NULL: in the file */
    size_t size;
} fm_listed_file;

/* Which files belong into a list; the others are left out. */
typedef struct fm_file_kind {
    const char *plural;  /* "images" */
    const char *endings; /* "names that end with .png, .jpg, ...": for errors */
    bool (*is_named)(const char *name);
} fm_file_kind;

/* Strings live in words, the files of an archive in it. Shared by the sets made from it. */
typedef struct fm_file_list {
    fm_context *context;
    int references;
    const fm_file_kind *kind;
    fm_arena words;
    fm_archive *archive;
    fm_listed_file *files;
    size_t count, capacity;
} fm_file_list;

/* Of a folder or an archive. Folders within folders are walked through. A folder that is alone at
 * an archive's top is left out of the names. */
fm_status fm_file_list_open(fm_context *context, const fm_file_kind *kind, const char *path,
                            fm_file_list **list);
/* Without any, to be filled. */
fm_status fm_file_list_create(fm_context *context, const fm_file_kind *kind, fm_file_list **list);
/* What `path` names, a file or a folder or archive of them, behind those that are there. A file is
 * taken whatever its name is. */
fm_status fm_file_list_add(fm_file_list *list, const char *path);
fm_file_list *fm_file_list_retain(fm_file_list *list);
void fm_file_list_release(fm_file_list *list);

/* The folder of a set's part in the names of its files, with its '/'; "" is all, NULL: no such
 * part. Where there is a folder `train`, the test part is in `test`, `val`, `validation` or
 * `valid`. */
typedef struct fm_file_parts {
    const char *folder[2]; /* by fm_data_part */
} fm_file_parts;

fm_file_parts fm_file_list_parts(const fm_file_list *list);
/* The name within a folder, or NULL when the file is not in it. */
const char *fm_name_in(const char *folder, const char *name);

/* By fm_broken_file. */
extern const char *const fm_broken_names[];

/* Of the files of an opened set that cannot be read, `broken` so far, the context's error tells why
 * the newest is left out. The first of them are logged; in the end their number is, which clears
 * the error. */
void fm_left_out_tell(fm_context *context, int64_t broken);
void fm_left_out_count(fm_context *context, const char *set, const fm_file_kind *kind,
                       int64_t broken, int64_t all);

/* The name ends with a dot and one of these, in small or capital letters;
 * `endings` ends with NULL. */
bool fm_has_ending(const char *name, const char *const *endings);

#endif
