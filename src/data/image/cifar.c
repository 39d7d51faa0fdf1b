/* CIFAR-10 and CIFAR-100: records of a label and 3072 bytes, red, green, blue, or pictures. */
#define _GNU_SOURCE
#include "base/fields.h"
#include "base/file.h"
#include "data/array_source.h"
#include "data/file/places.h"
#include "data/file/archive.h"
#include "data/image/image_records.h"
#include "data/file/file_list.h"
#include "data/parts.h"

#include <string.h>

enum { SIDE = 32, PLANE = SIDE * SIDE, PIXELS = 3 * PLANE, MOST_FILES = 5, MOST_BYTES = 1 << 28 };

const fm_field fm_cifar10_fields[] = {{0}};
const fm_field fm_cifar100_fields[] = {
    {"coarse", "the 20 superclasses in place of the 100 classes",
     offsetof(fm_cifar_options, coarse), .type = FM_FIELD_BOOL},
    {0},
};

static const char *const names_10[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                       "dog",      "frog",       "horse", "ship", "truck"};

static const char *const names_20[] = {"aquatic_mammals",
                                       "fish",
                                       "flowers",
                                       "food_containers",
                                       "fruit_and_vegetables",
                                       "household_electrical_devices",
                                       "household_furniture",
                                       "insects",
                                       "large_carnivores",
                                       "large_man-made_outdoor_things",
                                       "large_natural_outdoor_scenes",
                                       "large_omnivores_and_herbivores",
                                       "medium_mammals",
                                       "non-insect_invertebrates",
                                       "people",
                                       "reptiles",
                                       "small_mammals",
                                       "trees",
                                       "vehicles_1",
                                       "vehicles_2"};

static const char *const names_100[] = {
    "apple",       "aquarium_fish", "baby",      "bear",       "beaver",       "bed",
    "bee",         "beetle",        "bicycle",   "bottle",     "bowl",         "boy",
    "bridge",      "bus",           "butterfly", "camel",      "can",          "castle",
    "caterpillar", "cattle",        "chair",     "chimpanzee", "clock",        "cloud",
    "cockroach",   "couch",         "crab",      "crocodile",  "cup",          "dinosaur",
    "dolphin",     "elephant",      "flatfish",  "forest",     "fox",          "girl",
    "hamster",     "house",         "kangaroo",  "keyboard",   "lamp",         "lawn_mower",
    "leopard",     "lion",          "lizard",    "lobster",    "man",          "maple_tree",
    "motorcycle",  "mountain",      "mouse",     "mushroom",   "oak_tree",     "orange",
    "orchid",      "otter",         "palm_tree", "pear",       "pickup_truck", "pine_tree",
    "plain",       "plate",         "poppy",     "porcupine",  "possum",       "rabbit",
    "raccoon",     "ray",           "road",      "rocket",     "rose",         "sea",
    "seal",        "shark",         "shrew",     "skunk",      "skyscraper",   "snail",
    "snake",       "spider",        "squirrel",  "streetcar",  "sunflower",    "sweet_pepper",
    "table",       "tank",          "telephone", "television", "tiger",        "tractor",
    "train",       "trout",         "tulip",     "turtle",     "wardrobe",     "whale",
    "willow_tree", "wolf",          "woman",     "worm"};

typedef enum form { BATCHES, BATCH_ARCHIVE, PICTURES } form;

/* A file or folder that tells that the set is there. */
typedef struct sign {
    const char *path;
    size_t
        base; /* letters of path that name the folder of batches, or of pictures, or the archive */
    form form;
} sign;

/* label_at: of the label_size bytes in front of a record's pixels. */
typedef struct cifar {
    const char *name, *title;
    const char *subfolders[4]; /* ends with NULL */
    sign signs[8];             /* ends with path NULL */
    const char *files[2][MOST_FILES + 1];
    size_t label_size, label_at;
    const char *const *classes;
    int64_t class_count;
} cifar;

static const cifar cifar_10 = {
    .name = "cifar10",
    .title = "cifar-10-binary.tar.gz",
    .subfolders = {"", "cifar-10/", "cifar10/", NULL},
    .signs = {{"cifar-10-batches-bin/data_batch_1.bin", 20, BATCHES},
              {"data_batch_1.bin", 0, BATCHES},
              {"cifar-10-binary.tar.gz", 22, BATCH_ARCHIVE},
              {"CIFAR-10-images/train/airplane", 15, PICTURES},
              {"train/airplane", 0, PICTURES},
              {"CIFAR-10-images-jpeg.tar.xz", 27, PICTURES},
              {0}},
    .files = {{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
               "data_batch_5.bin"},
              {"test_batch.bin"}},
    .label_size = 1,
    .classes = names_10,
    .class_count = 10,
};

static const cifar cifar_100 = {
    .name = "cifar100",
    .title = "cifar-100-binary.tar.gz",
    .subfolders = {"", "cifar-100/", "cifar100/", NULL},
    .signs = {{"cifar-100-binary/train.bin", 16, BATCHES},
              {"train.bin", 0, BATCHES},
              {"cifar-100-binary.tar.gz", 23, BATCH_ARCHIVE},
              {0}},
    .files = {{"train.bin"}, {"test.bin"}},
    .label_size = 2,
    .label_at = 1,
    .classes = names_100,
    .class_count = 100,
};

/* ---- looking ---- */

typedef struct found {
    const cifar *set;
    form form;
    fm_text base;   /* the folder or archive */
    fm_text folder; /* where label files may lie */
    fm_archive *archive;
} found;

static fm_status look_in(found *f, const char *folder, bool *there)
{
    fm_status status = FM_OK;
    fm_text path = FM_TEXT(f->base.context);
    for (int s = 0; f->set->subfolders[s] && !*there; s++) {
        fm_text inner = FM_TEXT(f->base.context);
        fm_text_add(&inner, "%s/%s", folder, f->set->subfolders[s]);
        for (const sign *mark = f->set->signs; mark->path && !*there; mark++) {
            fm_text_clear(&path);
            fm_text_add(&path, "%s%s", fm_text_string(&inner), mark->path);
            status = fm_text_status(&path);
            *there = status == FM_OK && fm_file_exists(fm_text_string(&path));
            if (!*there) continue;
            f->form = mark->form;
            fm_text_add(&f->folder, "%s", fm_text_string(&inner));
            fm_text_add(&f->base, "%s%.*s", fm_text_string(&inner), (int)mark->base, mark->path);
        }
        if (status == FM_OK) status = fm_text_status(&inner);
        fm_text_release(&inner);
        if (status != FM_OK) break;
    }
    fm_text_release(&path);
    if (status == FM_OK) status = fm_text_status(&f->folder);
    return status == FM_OK ? fm_text_status(&f->base) : status;
}

static fm_status fail_absent(fm_context *context, const cifar *set, const fm_data_places *places)
{
    fm_text looked = FM_TEXT(context);
    for (int i = 0; places && places->folders && places->folders[i]; i++) {
        fm_text_add(&looked, "%s%s", looked.size ? ", " : "", places->folders[i]);
    }
    fm_status status = fm_text_status(&looked);
    if (status == FM_OK) {
        status =
            fm_fail(context, FM_ERROR_NOT_FOUND,
                    "%s: its files are not in %s (nor in a subfolder %.*s). Put %s there, from "
                    "https://www.cs.toronto.edu/~kriz/cifar.html, packed or unpacked, and "
                    "name the folder (the program: --data DIR or FATHOM_DATA)",
                    set->name,
                    looked.size ? fm_text_string(&looked)
                                : "any folder: none was "
                                  "named",
                    (int)strlen(set->subfolders[1]) - 1, set->subfolders[1], set->title);
    }
    fm_text_release(&looked);
    return status;
}

static fm_status find(fm_context *context, const fm_data_places *places, found *f)
{
    fm_status status = FM_OK;
    bool there = false;
    for (int i = 0; places && places->folders && places->folders[i] && status == FM_OK; i++) {
        if (!there) status = look_in(f, places->folders[i], &there);
    }
    if (status == FM_OK && !there && places && places->cache) {
        status = look_in(f, places->cache, &there);
    }
    return status != FM_OK || there ? status : fail_absent(context, f->set, places);
}

/* ---- records ---- */

typedef struct batch {
    char *bytes;
    size_t size;
    bool owned;
} batch;

static fm_status open_batch(fm_context *context, const found *f, const char *file, batch *b)
{
    *b = (batch){0};
    const char *base = fm_text_string(&f->base);
    fm_status status = FM_OK;
    if (f->archive) {
        const fm_archive_file *member = fm_archive_find(f->archive, file);
        if (!member) {
            return fm_fail(context, FM_ERROR_FORMAT, "%s: holds no %s", base, file);
        }
        *b = (batch){(char *)(uintptr_t)member->bytes, member->size, false};
    } else {
        fm_text path = FM_TEXT(context);
        status = fm_path_join(&path, base, file);
        if (status == FM_OK) {
            status = fm_file_read(context, fm_text_string(&path), MOST_BYTES, &b->bytes, &b->size);
        }
        fm_text_release(&path);
        b->owned = true;
    }
    size_t record = f->set->label_size + PIXELS;
    if (status != FM_OK || (b->size > 0 && b->size % record == 0)) return status;
    return fm_fail(context, FM_ERROR_FORMAT,
                   "%s: %s has %zu bytes, which is not a number of records of %zu", base, file,
                   b->size, record);
}

/* Planes of red, green and blue become pixels. */
static fm_status take_records(fm_context *context, const found *f, const char *file, const batch *b,
                              uint8_t *x, int32_t *y)
{
    const cifar *set = f->set;
    size_t record = set->label_size + PIXELS;
    for (size_t i = 0; i < b->size / record; i++, x += PIXELS) {
        const uint8_t *from = (const uint8_t *)b->bytes + i * record;
        y[i] = from[set->label_at];
        if (y[i] >= set->class_count) {
            return fm_fail(context, FM_ERROR_FORMAT, "%s: record %zu has class %d of %lld", file, i,
                           y[i], (long long)set->class_count);
        }
        from += set->label_size;
        for (int p = 0; p < PLANE; p++) {
            for (int c = 0; c < 3; c++) x[3 * p + c] = from[c * PLANE + p];
        }
    }
    return FM_OK;
}

static fm_status read_batches(fm_context *context, const found *f, const char *const *files,
                              batch *batches, void *data[2], int64_t *count)
{
    size_t record = f->set->label_size + PIXELS, all = 0;
    for (int i = 0; files[i]; i++) {
        fm_status status = open_batch(context, f, files[i], &batches[i]);
        if (status != FM_OK) return status;
        all += batches[i].size / record;
    }
    data[0] = fm_allocate_array(context, all, PIXELS);
    data[1] = fm_allocate_array(context, all, sizeof(int32_t));
    if (!data[0] || !data[1]) return fm_error_status(context);
    size_t at = 0;
    for (int i = 0; files[i]; i++) {
        fm_status status = take_records(context, f, files[i], &batches[i],
                                        (uint8_t *)data[0] + at * PIXELS, (int32_t *)data[1] + at);
        if (status != FM_OK) return status;
        at += batches[i].size / record;
    }
    *count = (int64_t)all;
    return FM_OK;
}

static fm_status open_records(fm_context *context, const void *argument, fm_data_part part,
                              fm_dataset **dataset)
{
    const found *f = argument;
    batch batches[MOST_FILES] = {0};
    void *data[2] = {0};
    char name[32];
    snprintf(name, sizeof name, "%s %s", f->set->name, part == FM_DATA_TRAIN ? "train" : "test");
    fm_column column = {.kind = FM_COLUMN_CATEGORICAL,
                        .category_count = f->set->class_count,
                        .categories = f->set->classes};
    fm_dataset_info info = {.name = name, .origin = fm_text_string(&f->base), .field_count = 2};
    info.fields[0] = (fm_data_field){"x", FM_U8, FM_SHAPE(SIDE, SIDE, 3), NULL};
    info.fields[1] = (fm_data_field){"y", FM_I32, FM_SHAPE(), &column};
    fm_status status = read_batches(context, f, f->set->files[part], batches, data, &info.count);
    for (int i = 0; i < MOST_FILES; i++) {
        if (batches[i].owned) fm_release(context, batches[i].bytes);
    }
    if (status == FM_OK) return fm_dataset_adopt_arrays(context, &info, data, dataset);
    fm_release(context, data[0]);
    fm_release(context, data[1]);
    *dataset = NULL;
    return status;
}

/* ---- pictures ---- */

/* Position i of the original order is the next picture of class labels[i]. Pictures stand class by
 * class. false: the labels are those of other pictures. */
static bool order_by(const uint8_t *labels, int64_t count, const int32_t *classes, uint32_t *order)
{
    int64_t next[256], begin[257] = {0};
    for (int64_t i = 0; i < count; i++) begin[classes[i] + 1]++;
    for (int k = 0; k < 256; k++) {
        begin[k + 1] += begin[k];
        next[k] = begin[k];
    }
    for (int64_t i = 0; i < count; i++) {
        int k = labels[i];
        if (next[k] == begin[k + 1]) return false;
        order[i] = (uint32_t)next[k]++;
    }
    return true;
}

static fm_status reorder(fm_context *context, const uint8_t *labels, fm_dataset **part)
{
    int64_t count = fm_dataset_about(*part)->count;
    int32_t *classes = fm_allocate_array(context, (size_t)count, sizeof *classes);
    uint32_t *order = fm_allocate_array(context, (size_t)count, sizeof *order);
    fm_data_request all = {.count = count, .fields = {NULL, classes}};
    fm_status status = classes && order ? FM_OK : fm_error_status(context);
    if (status == FM_OK) status = fm_dataset_read(context, *part, &all);
    if (status == FM_OK && order_by(labels, count, classes, order)) {
        fm_dataset *sorted = *part;
        status = fm_dataset_view(context, sorted, order, count, part);
        if (status != FM_OK) *part = NULL;
        fm_dataset_destroy(sorted);
    }
    fm_release(context, classes);
    fm_release(context, order);
    return status;
}

/* Without a file of labels, or with one of another length, the order stays. */
static fm_status restore_order(fm_context *context, const found *f, const char *file,
                               fm_dataset **part)
{
    if (!*part) return FM_OK;
    char *labels = NULL;
    size_t size = 0;
    fm_text path = FM_TEXT(context);
    fm_text_add(&path, "%s%s", fm_text_string(&f->folder), file);
    fm_status status = fm_text_status(&path);
    if (status == FM_OK && fm_file_exists(fm_text_string(&path))) {
        status = fm_file_read(context, fm_text_string(&path), MOST_BYTES, &labels, &size);
    }
    fm_text_release(&path);
    if (status == FM_OK && labels && (int64_t)size == fm_dataset_about(*part)->count) {
        status = reorder(context, (const uint8_t *)labels, part);
    }
    fm_release(context, labels);
    return status;
}

static fm_status open_pictures(fm_context *context, const found *f, fm_dataset **train,
                               fm_dataset **test)
{
    fm_images_options options = {
        .folder = fm_text_string(&f->base), .size = {1, {SIDE}}, .fit = FM_FIT_STRETCH};
    fm_status status = fm_open_pictures(context, f->set->name, &options, NULL, train, test);
    if (status == FM_OK) status = restore_order(context, f, "train_labels.u8", train);
    if (status == FM_OK && test) status = restore_order(context, f, "test_labels.u8", test);
    if (status == FM_OK) return FM_OK;
    fm_dataset_destroy(*train);
    *train = NULL;
    if (test) fm_dataset_destroy(*test);
    if (test) *test = NULL;
    return status;
}

/* ---- opening ---- */

static fm_status open_found(fm_context *context, found *f, fm_dataset **train, fm_dataset **test)
{
    if (f->form == PICTURES) return open_pictures(context, f, train, test);
    fm_status status = FM_OK;
    if (f->form == BATCH_ARCHIVE) {
        status = fm_archive_open(context, fm_text_string(&f->base), &f->archive);
    }
    if (status == FM_OK) status = fm_make_parts(context, open_records, f, train, test);
    fm_archive_close(f->archive);
    return status;
}

static fm_status open_set(fm_context *context, const cifar *set, const fm_data_places *places,
                          fm_dataset **train, fm_dataset **test)
{
    found f = {.set = set, .base = FM_TEXT(context), .folder = FM_TEXT(context)};
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = find(context, places, &f);
    if (status == FM_OK) status = open_found(context, &f, train, test);
    fm_text_release(&f.base);
    fm_text_release(&f.folder);
    return status;
}

fm_status fm_dataset_cifar10(fm_context *context, const fm_data_places *places, fm_dataset **train,
                             fm_dataset **test)
{
    return open_set(context, &cifar_10, places, train, test);
}

fm_status fm_dataset_cifar100(fm_context *context, const fm_cifar_options *options,
                              const fm_data_places *places, fm_dataset **train, fm_dataset **test)
{
    cifar set = cifar_100;
    if (options && options->coarse) {
        set.label_at = 0;
        set.classes = names_20;
        set.class_count = 20;
    }
    return open_set(context, &set, places, train, test);
}
