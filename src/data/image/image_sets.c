/* Data sets of picture files: a folder for each class, or images and masks. */
#include "base/fields.h"
#include "base/map.h"
#include "data/file/class_list.h"
#include "data/file/places.h"
#include "data/image/decode.h"
#include "data/image/image_records.h"
#include "data/image/image_source.h"
#include "data/parts.h"

#include <string.h>

const fm_file_kind fm_image_files = {
    "images", "names that end with .png, .jpg, .jpeg, .pgm or .ppm", fm_image_is_named};

enum { DEFAULT_SIDE = 224, LARGEST_SIDE = 16384, DEFAULT_CACHE = 1024 };

static const char *const fit_names[] = {"crop", "stretch", NULL};

/* fm_masks_options begins with them. */
#define IMAGES_FIELDS                                                                              \
    {"folder", "the folder or archive that holds the images", offsetof(fm_images_options, folder), \
     .type = FM_FIELD_STRING, .required = true},                                                   \
        {"size",                                                                                   \
         "one number, or height and width (default: 224)",                                         \
         offsetof(fm_images_options, size),                                                        \
         .type = FM_FIELD_INTS,                                                                    \
         .minimum = 1,                                                                             \
         .maximum = LARGEST_SIDE},                                                                 \
        {"channels",           "3 for color, 1 for grey", offsetof(fm_images_options, channels),   \
         .type = FM_FIELD_INT, .default_value = 3,        .minimum = 1,                            \
         .maximum = 3},                                                                            \
        {"fit", "how an image becomes that size", offsetof(fm_images_options, fit),                \
         .type = FM_FIELD_ENUM, .choices = fit_names},                                             \
        {"shorter_side", "with fit: crop, before the cut (default: what just covers the size)",    \
         offsetof(fm_images_options, shorter_side), .type = FM_FIELD_INT,                          \
         .maximum = LARGEST_SIDE},                                                                 \
        {"on_broken", "what is done with a file that cannot be read",                              \
         offsetof(fm_images_options, on_broken), .type = FM_FIELD_ENUM,                            \
         .choices = fm_broken_names},                                                              \
    {                                                                                              \
        "cache", "MiB of decoded samples that may be kept; -1: none",                              \
            offsetof(fm_images_options, cache),                                                    \
            .type = FM_FIELD_INT, .default_value = DEFAULT_CACHE, .minimum = -1, .maximum = 1e9    \
    }

const fm_field fm_images_fields[] = {IMAGES_FIELDS, {0}};
const fm_field fm_masks_fields[] = {
    IMAGES_FIELDS,
    {"classes", "how many classes pixels have (default: what the masks hold)",
     offsetof(fm_masks_options, classes), .type = FM_FIELD_INT, .maximum = 256},
    {0}};

/* ---- what a set is opened with ---- */

typedef struct opening {
    fm_context *context;
    fm_images_options options;
    bool masks;
    fm_file_list *list;
    fm_file_parts parts;
    fm_arena words;
    fm_image_entry *entries;
    int64_t count;
    fm_class_list classes;
    int64_t class_count;
    const char *set; /* its name */
} opening;

static fm_status check_options(opening *o)
{
    const fm_images_options *given = &o->options;
    if (given->size.count > 2) {
        return fm_fail(o->context, FM_ERROR_ARGUMENT,
                       "%s: size is one number, or height and width; received %d numbers", o->set,
                       given->size.count);
    }
    if (given->channels == 2) {
        return fm_fail(o->context, FM_ERROR_ARGUMENT, "%s: channels is 3 or 1, received 2", o->set);
    }
    return FM_OK;
}

static void choose_size(const fm_images_options *given, fm_image_set_options *made)
{
    bool any = given->size.count > 0;
    made->height = any ? given->size.at[0] : DEFAULT_SIDE;
    made->width = given->size.count > 1 ? given->size.at[1] : made->height;
    made->channels = given->channels;
    made->fit = given->fit;
    made->on_broken = given->on_broken;
    made->shorter_side = given->shorter_side;
    made->cache = given->cache < 0 ? -1 : given->cache << 20;
}

static fm_status open_list(opening *o, const fm_data_places *places)
{
    fm_text path = FM_TEXT(o->context);
    fm_status status = fm_places_find(o->context, places, o->options.folder, &path);
    if (status == FM_OK) {
        status = fm_file_list_open(o->context, &fm_image_files, fm_text_string(&path), &o->list);
    }
    fm_text_release(&path);
    if (status != FM_OK) return status;
    o->parts = fm_file_list_parts(o->list);
    o->entries = fm_allocate_array(o->context, o->list->count, sizeof *o->entries);
    return o->entries ? FM_OK : fm_error_status(o->context);
}

static void close_opening(opening *o)
{
    fm_file_list_release(o->list);
    fm_release(o->context, o->entries);
    fm_class_list_release(&o->classes);
    fm_arena_release(&o->words);
}

/* ---- classes are folders ---- */

static fm_status find_classes(opening *o)
{
    fm_status status =
        fm_class_list_take_folders(&o->classes, o->list, o->parts.folder[0], o->options.folder);
    o->class_count = o->classes.count;
    return status;
}

static fm_status list_labelled(opening *o, const char *folder)
{
    fm_status status = FM_OK;
    o->count = 0;
    for (size_t i = 0; i < o->list->count && status == FM_OK; i++) {
        int32_t label;
        status = fm_class_list_label(&o->classes, o->list, i, folder, &label);
        if (label < 0) continue;
        o->entries[o->count++] = (fm_image_entry){.picture = o->list->files[i], .label = label};
    }
    return status;
}

/* ---- masks have the names of their images ---- */

/* "cat.1" of "images/cat.1.jpg", in the arena. */
static const char *stem_of(opening *o, const char *name)
{
    const char *dot = strrchr(name, '.');
    return fm_arena_format(&o->words, "%.*s", (int)(dot - name), name);
}

/* The numbers of the masks in the list by their stems. */
static fm_status map_masks(opening *o, const char *folder, fm_map *masks)
{
    fm_status status = FM_OK;
    for (size_t i = 0; i < o->list->count && status == FM_OK; i++) {
        const char *inner = fm_name_in(folder, o->list->files[i].name);
        inner = inner ? fm_name_in("masks/", inner) : NULL;
        if (!inner) continue;
        const char *stem = stem_of(o, inner);
        status = stem ? fm_map_set(masks, stem, (uint32_t)i) : FM_ERROR_MEMORY;
    }
    return status;
}

static fm_status pair_masks(opening *o, const char *folder, const fm_map *masks)
{
    o->count = 0;
    for (size_t i = 0; i < o->list->count; i++) {
        const fm_listed_file *picture = &o->list->files[i];
        const char *inner = fm_name_in(folder, picture->name);
        inner = inner ? fm_name_in("images/", inner) : NULL;
        if (!inner) continue;
        const char *stem = stem_of(o, inner);
        uint32_t mask;
        if (!stem) return FM_ERROR_MEMORY;
        if (!fm_map_get(masks, stem, &mask)) {
            return fm_fail(o->context, FM_ERROR_NOT_FOUND,
                           "%s: has no mask: masks/%s.png (or another ending) is missing",
                           picture->path, stem);
        }
        o->entries[o->count++] =
            (fm_image_entry){.picture = *picture, .mask = o->list->files[mask]};
    }
    if (o->count > 0) return FM_OK;
    return fm_fail(o->context, FM_ERROR_FORMAT,
                   "%s: holds no images: they belong into %simages/, their masks into %smasks/",
                   o->options.folder, folder, folder);
}

static fm_status list_masked(opening *o, const char *folder)
{
    fm_map masks = {.context = o->context};
    fm_status status = map_masks(o, folder, &masks);
    if (status == FM_OK) status = pair_masks(o, folder, &masks);
    fm_map_release(&masks);
    return status;
}

/* One more than the largest number in the masks that are listed. */
static fm_status count_mask_classes(opening *o)
{
    int64_t classes = 1;
    for (int64_t i = 0; i < o->count; i++) {
        const fm_listed_file *mask = &o->entries[i].mask;
        fm_image_options numbers = {.indices = true};
        fm_image image;
        fm_status status = mask->bytes ? fm_image_decode(o->context, mask->path, mask->bytes,
                                                         mask->size, &numbers, &image)
                                       : fm_image_read(o->context, mask->path, &numbers, &image);
        if (status == FM_ERROR_MEMORY) return status;
        if (status != FM_OK && o->options.on_broken == FM_BROKEN_SKIP) continue;
        if (status != FM_OK) return status;
        for (int64_t k = 0; k < image.height * image.width; k++) {
            if (image.pixels[k] >= classes) classes = image.pixels[k] + 1;
        }
        fm_image_release(o->context, &image);
    }
    o->class_count = classes;
    return FM_OK;
}

/* ---- opening ---- */

static fm_status make_part(fm_context *context, const void *argument, fm_data_part part,
                           fm_dataset **dataset)
{
    opening *o = (opening *)(uintptr_t)argument;
    const char *folder = o->parts.folder[part];
    *dataset = NULL;
    if (!folder) return FM_OK;
    fm_status status = o->masks ? list_masked(o, folder) : list_labelled(o, folder);
    if (status == FM_OK && o->masks && o->class_count == 0) status = count_mask_classes(o);
    if (status != FM_OK) return status;
    char name[64];
    snprintf(name, sizeof name, "%s %s", o->set, part == FM_DATA_TRAIN ? "train" : "test");
    fm_column column = {.kind = FM_COLUMN_CATEGORICAL,
                        .category_count = o->class_count,
                        .categories = o->classes.names};
    fm_image_set_options made = {.name = name,
                                 .origin = o->options.folder,
                                 .list = o->list,
                                 .entries = o->entries,
                                 .count = o->count,
                                 .labels = !o->masks,
                                 .masks = o->masks,
                                 .classes = &column};
    choose_size(&o->options, &made);
    return fm_image_set_create(context, &made, dataset);
}

static fm_status open_set(opening *o, const fm_data_places *places, fm_dataset **train,
                          fm_dataset **test)
{
    fm_context *context = o->context;
    o->words.context = context;
    o->classes = FM_CLASS_LIST(context);
    fm_status status = check_options(o);
    if (status == FM_OK) status = open_list(o, places);
    if (status == FM_OK && !o->masks) status = find_classes(o);
    if (status == FM_OK) status = fm_make_parts(context, make_part, o, train, test);
    close_opening(o);
    return status;
}

fm_status fm_open_pictures(fm_context *context, const char *set, const fm_images_options *options,
                           const fm_data_places *places, fm_dataset **train, fm_dataset **test)
{
    opening o = {.context = context, .set = set};
    if (options) o.options = *options;
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = fm_fields_complete(context, fm_images_fields, &o.options, set);
    if (status != FM_OK) return status;
    return open_set(&o, places, train, test);
}

fm_status fm_dataset_images(fm_context *context, const fm_images_options *options,
                            const fm_data_places *places, fm_dataset **train, fm_dataset **test)
{
    return fm_open_pictures(context, "images", options, places, train, test);
}

fm_status fm_dataset_image_masks(fm_context *context, const fm_masks_options *options,
                                 const fm_data_places *places, fm_dataset **train,
                                 fm_dataset **test)
{
    fm_masks_options filled = options ? *options : (fm_masks_options){0};
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = fm_fields_complete(context, fm_masks_fields, &filled, "image_masks");
    if (status != FM_OK) return status;
    opening o = {.context = context,
                 .options = filled.images,
                 .masks = true,
                 .class_count = filled.classes,
                 .set = "image_masks"};
    return open_set(&o, places, train, test);
}

/* ---- files that a user names ---- */

static fm_status make_files(fm_context *context, fm_file_list *list, fm_shape shape,
                            const fm_images_options *like, fm_dataset **dataset)
{
    fm_image_entry *entries = fm_allocate_array(context, list->count, sizeof *entries);
    if (!entries) return fm_error_status(context);
    for (size_t i = 0; i < list->count; i++) {
        entries[i] = (fm_image_entry){.picture = list->files[i]};
    }
    fm_image_set_options made = {.name = list->files[0].path,
                                 .origin = list->files[0].path,
                                 .height = shape.dims[0],
                                 .width = shape.dims[1],
                                 .channels = shape.rank == 2 ? 1 : shape.dims[2],
                                 .without_channels = shape.rank == 2,
                                 .fit = like ? like->fit : FM_FIT_CROP,
                                 .shorter_side = like ? like->shorter_side : 0,
                                 .on_broken = like ? like->on_broken : FM_BROKEN_FAIL,
                                 .cache = -1,
                                 .list = list,
                                 .entries = entries,
                                 .count = (int64_t)list->count};
    fm_status status = fm_image_set_create(context, &made, dataset);
    fm_release(context, entries);
    return status;
}

fm_status fm_dataset_image_files(fm_context *context, const char *const *paths, int count,
                                 fm_shape shape, const fm_images_options *like,
                                 fm_dataset **dataset)
{
    char text[FM_SHAPE_TEXT];
    *dataset = NULL;
    bool possible =
        shape.rank == 2 || (shape.rank == 3 && (shape.dims[2] == 1 || shape.dims[2] == 3));
    for (int i = 0; possible && i < 2; i++) {
        possible = shape.dims[i] > 0 && shape.dims[i] <= LARGEST_SIDE;
    }
    if (!possible || count < 1) {
        return fm_fail(context, FM_ERROR_SHAPE,
                       "%s: images become samples of (height, width), (height, width, 1) or "
                       "(height, width, 3); wanted is %s",
                       count > 0 ? paths[0] : "no file", fm_shape_text(shape, text));
    }
    fm_file_list *list;
    fm_status status = fm_file_list_create(context, &fm_image_files, &list);
    for (int i = 0; i < count && status == FM_OK; i++) status = fm_file_list_add(list, paths[i]);
    if (status == FM_OK) status = make_files(context, list, shape, like, dataset);
    fm_file_list_release(list);
    return status;
}
