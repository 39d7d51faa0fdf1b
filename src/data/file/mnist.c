/* MNIST, and Fashion-MNIST, whose files have the same names and are told apart by their folder. */
#define _GNU_SOURCE
#include "base/file.h"
#include "data/array_source.h"
#include "data/file/array_file.h"
#include "data/file/download.h"
#include "data/file/file_records.h"
#include "data/file/places.h"
#include "data/parts.h"

#include <string.h>

const fm_field fm_mnist_fields[] = {{0}};

enum { FILES = 4, LIMIT = 64 << 20 };

/* In the order: inputs and labels of train, inputs and labels of test. */
static const struct {
    const char *name, *also; /* the second spelling is what some archives unpack to */
    const char *md5;         /* inflated */
} files[FILES] = {
    {"train-images-idx3-ubyte", "train-images.idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb"},
    {"train-labels-idx1-ubyte", "train-labels.idx1-ubyte", "a25bea736e30d166cdddb491f175f624"},
    {"t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte", "2646ac647ad5339dbf082846283269ea"},
    {"t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte", "27ae3e4e09519cfbb04c329615203637"},
};

static const char *const addresses[] = {
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    NULL,
};

static const char *const digit_folders[] = {"", "/mnist", "/MNIST/raw", NULL};
static const char *const fashion_folders[] = {"/fashion-mnist", "/fashion_mnist", "/fashion",
                                              "/FashionMNIST/raw", NULL};

static const char *const garments[] = {"t-shirt", "trouser", "pullover", "dress", "coat",
                                       "sandal",  "shirt",   "sneaker",  "bag",   "ankle_boot"};

/* Paths of the four files. */
typedef struct mnist_paths {
    fm_text at[FILES];
} mnist_paths;

/* ---- Looking ---- */

static fm_status find_file(int file, const char *folder, const char *subfolder, fm_text *path,
                           bool *found)
{
    const char *names[] = {files[file].name, files[file].also};
    const char *endings[] = {"", ".gz"};
    for (int i = 0; i < 4; i++) {
        fm_text_clear(path);
        fm_text_add(path, "%s%s/%s%s", folder, subfolder, names[i / 2], endings[i % 2]);
        fm_status status = fm_text_status(path);
        *found = status == FM_OK && fm_file_exists(fm_text_string(path));
        if (status != FM_OK || *found) return status;
    }
    return FM_OK;
}

/* All four in one folder. */
static fm_status find_in(const char *folder, const char *const *subfolders, mnist_paths *paths,
                         bool *found)
{
    for (int s = 0; subfolders[s]; s++) {
        *found = true;
        for (int i = 0; i < FILES && *found; i++) {
            fm_status status = find_file(i, folder, subfolders[s], &paths->at[i], found);
            if (status != FM_OK) return status;
        }
        if (*found) return FM_OK;
    }
    return FM_OK;
}

static fm_status find_local(const fm_data_places *places, const char *const *subfolders,
                            mnist_paths *paths, bool *found)
{
    fm_status status = FM_OK;
    *found = false;
    const char *const *folders = places ? places->folders : NULL;
    for (int i = 0; folders && folders[i] && status == FM_OK && !*found; i++) {
        status = find_in(folders[i], subfolders, paths, found);
    }
    if (status == FM_OK && !*found && places && places->cache) {
        status = find_in(places->cache, subfolders, paths, found);
    }
    return status;
}

/* ---- Downloading ---- */

static fm_status download_from(fm_context *context, const char *address,
                               const fm_data_places *places)
{
    fm_text url = FM_TEXT(context), path = FM_TEXT(context);
    fm_status status = FM_OK;
    for (int i = 0; i < FILES && status == FM_OK; i++) {
        fm_text_clear(&url);
        fm_text_clear(&path);
        fm_text_add(&url, "%s/%s.gz", address, files[i].name);
        fm_text_add(&path, "%s/mnist/%s.gz", places->cache, files[i].name);
        status = fm_text_status(&url);
        if (status == FM_OK) status = fm_text_status(&path);
        fm_download request = {.url = fm_text_string(&url),
                               .path = fm_text_string(&path),
                               .md5 = files[i].md5,
                               .limit = LIMIT,
                               .places = places};
        if (status == FM_OK) status = fm_download_file(context, &request);
    }
    fm_text_release(&url);
    fm_text_release(&path);
    return status;
}

static bool try_another(fm_status status)
{
    return status == FM_ERROR_IO || status == FM_ERROR_FORMAT || status == FM_ERROR_LIMIT;
}

static fm_status download(fm_context *context, const fm_data_places *places)
{
    if (places->url) return download_from(context, places->url, places);
    fm_status status = FM_ERROR_IO;
    for (int i = 0; addresses[i] && try_another(status); i++) {
        fm_report(context, FM_LOG_INFO, "mnist: downloading from %s", addresses[i]);
        status = download_from(context, addresses[i], places);
        if (status != FM_OK)
            fm_report(context, FM_LOG_INFO, "mnist: %s", fm_error_message(context));
    }
    return status;
}

/* ---- Opening ---- */

static fm_status explain_absence(fm_context *context, const fm_data_places *places,
                                 const char *failure)
{
    fm_text looked = FM_TEXT(context);
    for (int i = 0; places && places->folders && places->folders[i]; i++) {
        fm_text_add(&looked, "%s%s", looked.size ? ", " : "", places->folders[i]);
    }
    if (places && places->cache) {
        fm_text_add(&looked, "%s%s", looked.size ? ", " : "", places->cache);
    }
    fm_status status = fm_text_status(&looked);
    if (status == FM_OK) {
        status = fm_fail(context, FM_ERROR_NOT_FOUND,
                         "mnist: the four files are not in %s (nor in a subfolder mnist)%s%s. Put "
                         "%s, %s, %s and %s there, plain or .gz, and name the folder (the program: "
                         "--data DIR or FATHOM_DATA), or use the built-in set 'strokes'",
                         looked.size ? fm_text_string(&looked) : "any folder: none was named",
                         *failure ? ", and the download failed: " : "", failure, files[0].name,
                         files[1].name, files[2].name, files[3].name);
    }
    fm_text_release(&looked);
    return status;
}

static fm_status resolve(fm_context *context, const fm_data_places *places, mnist_paths *paths)
{
    bool found;
    fm_status status = find_local(places, digit_folders, paths, &found);
    if (status != FM_OK || found) return status;
    if (!places || !places->cache) return explain_absence(context, places, "");
    status = download(context, places);
    if (try_another(status)) return explain_absence(context, places, fm_error_message(context));
    if (status == FM_OK) status = find_in(places->cache, digit_folders, paths, &found);
    if (status != FM_OK || found) return status;
    return explain_absence(context, places, "the files vanished again");
}

static fm_status open_part(fm_context *context, const void *argument, fm_data_part part,
                           fm_dataset **dataset)
{
    const mnist_paths *paths = argument;
    const fm_text *at = &paths->at[part == FM_DATA_TRAIN ? 0 : 2];
    return fm_dataset_open_idx(context, fm_text_string(&at[0]), fm_text_string(&at[1]), 0, dataset);
}

fm_status fm_dataset_mnist(fm_context *context, const fm_data_places *places, fm_dataset **train,
                           fm_dataset **test)
{
    mnist_paths paths;
    *train = NULL;
    if (test) *test = NULL;
    for (int i = 0; i < FILES; i++) paths.at[i] = FM_TEXT(context);
    fm_status status = resolve(context, places, &paths);
    if (status == FM_OK) status = fm_make_parts(context, open_part, &paths, train, test);
    for (int i = 0; i < FILES; i++) fm_text_release(&paths.at[i]);
    return status;
}

fm_status fm_open_mnist_record(fm_context *context, const void *options,
                               const fm_data_places *places, fm_dataset **train, fm_dataset **test)
{
    (void)options;
    return fm_dataset_mnist(context, places, train, test);
}

/* ---- Fashion-MNIST ---- */

/* Numbers become names: a set with the labels of another and the memory of its own. */
static fm_status name_classes(fm_context *context, fm_dataset **part)
{
    const fm_dataset_info *plain = fm_dataset_about(*part);
    if (fm_dataset_classes(*part, NULL) > 10) return FM_OK;
    fm_column column = {
        .kind = FM_COLUMN_CATEGORICAL, .category_count = 10, .categories = garments};
    fm_dataset_info info = *plain;
    info.name = "fashion_mnist";
    info.fields[1].columns = &column;
    void *data[2] = {0};
    fm_status status = FM_OK;
    for (int i = 0; i < 2 && status == FM_OK; i++) {
        size_t bytes = (size_t)fm_shape_bytes(info.fields[i].shape, info.fields[i].dtype);
        data[i] = fm_allocate_array(context, (size_t)info.count, bytes);
        if (!data[i]) status = fm_error_status(context);
    }
    fm_data_request all = {.count = info.count, .fields = {data[0], data[1]}};
    if (status == FM_OK) status = fm_dataset_read(context, *part, &all);
    fm_dataset *named = NULL;
    if (status == FM_OK) {
        status = fm_dataset_adopt_arrays(context, &info, data, &named);
    } else {
        fm_release(context, data[0]);
        fm_release(context, data[1]);
    }
    fm_dataset_destroy(*part);
    *part = named;
    return status;
}

fm_status fm_dataset_fashion_mnist(fm_context *context, const fm_data_places *places,
                                   fm_dataset **train, fm_dataset **test)
{
    mnist_paths paths;
    bool found = false;
    *train = NULL;
    if (test) *test = NULL;
    for (int i = 0; i < FILES; i++) paths.at[i] = FM_TEXT(context);
    fm_status status = find_local(places, fashion_folders, &paths, &found);
    if (status == FM_OK && !found) {
        status = fm_fail(context, FM_ERROR_NOT_FOUND,
                         "fashion_mnist: its four files are in no subfolder fashion-mnist of the "
                         "data folders. Put %s, %s, %s and %s there, plain or .gz, from "
                         "https://github.com/zalandoresearch/fashion-mnist, and name the folder "
                         "above it (the program: --data DIR or FATHOM_DATA)",
                         files[0].name, files[1].name, files[2].name, files[3].name);
    }
    if (status == FM_OK) status = fm_make_parts(context, open_part, &paths, train, test);
    for (int i = 0; i < FILES; i++) fm_text_release(&paths.at[i]);
    if (status == FM_OK) status = name_classes(context, train);
    if (status == FM_OK && test) status = name_classes(context, test);
    if (status == FM_OK) return FM_OK;
    fm_dataset_destroy(*train);
    *train = NULL;
    if (test) fm_dataset_destroy(*test);
    if (test) *test = NULL;
    return status;
}

fm_status fm_open_fashion_mnist_record(fm_context *context, const void *options,
                                       const fm_data_places *places, fm_dataset **train,
                                       fm_dataset **test)
{
    (void)options;
    return fm_dataset_fashion_mnist(context, places, train, test);
}
