/* The picture files of a folder or an archive, sorted by name. */
#ifndef FM_DATA_PICTURE_LIST_H
#define FM_DATA_PICTURE_LIST_H

#include "base/text.h"
#include "data/image/archive.h"
#include "fathom/image.h"

typedef struct fm_picture {
    const char *name;     /* within the folder or archive: "train/rose/1.jpg"    */
    const char *path;     /* of the file, or ARCHIVE:NAME; for errors as well    */
    const uint8_t *bytes; /* in the archive, or NULL: in the file                */
    size_t size;
} fm_picture;

/* Strings live in words, the pictures of an archive in it. Shared by the sets made from it. */
typedef struct fm_picture_list {
    fm_context *context;
    int references;
    fm_arena words;
    fm_archive *archive;
    fm_picture *pictures;
    size_t count, capacity;
} fm_picture_list;

/* Folders within folders are walked through. A folder that is alone at an archive's top is left out
 * of the names. */
fm_status fm_picture_list_open(fm_context *context, const char *path, fm_picture_list **list);
/* Without any, to be filled. */
fm_status fm_picture_list_create(fm_context *context, fm_picture_list **list);
/* What `path` names, a picture or a folder or archive of them, behind those that are there. */
fm_status fm_picture_list_add(fm_picture_list *list, const char *path);
fm_picture_list *fm_picture_list_retain(fm_picture_list *list);
void fm_picture_list_release(fm_picture_list *list);

bool fm_is_folder(const char *path);

#endif
