/* Data sets of recordings whose names tell their class. */
#include "base/fields.h"
#include "data/audio/audio_source.h"
#include "data/audio/name_pattern.h"
#include "data/audio/recording.h"
#include "data/audio/sound_fields.h"
#include "data/file/class_list.h"
#include "data/file/places.h"
#include "data/parts.h"

#include <string.h>

enum { DEFAULT_RATE = 16000 };

#define STRING(name_, doc_, ...)                                                                   \
    FM_SOUND_FIELD(fm_recordings_options, #name_, name_, STRING, doc_, __VA_ARGS__)

const fm_field fm_recordings_fields[] = {
    STRING(folder, "the folder or archive that holds the recordings", .required = true),
    STRING(pattern,
           "how names are made: \"{class}_{speaker}_{index}\" (default: the class is a "
           "folder)",
           .default_value = 0),
    STRING(test, "which recordings are the test set, by a field: index=0-4", .default_value = 0),
    STRING(only, "likewise; all others are left out", .default_value = 0),
    FM_SOUND_FIELD(fm_recordings_options, "on_broken", on_broken, ENUM,
                   "what is done with a file that cannot be read", .choices = fm_broken_names),
    FM_SOUND_FIELDS(DEFAULT_RATE),
    {0}};

/* ---- files as a source of sounds ---- */

typedef struct file_set {
    fm_file_list *list;
    int64_t rate, channel;
    uint32_t *numbers; /* of the files in the list; NULL: all */
} file_set;

static const fm_listed_file *file_of(const file_set *set, int64_t i)
{
    return &set->list->files[set->numbers ? set->numbers[i] : (size_t)i];
}

static fm_status load_file(const void *state, fm_context *context, int64_t i,
                           fm_recording *recording)
{
    const file_set *set = state;
    const fm_listed_file *file = file_of(set, i);
    fm_recording_options options = {.rate = set->rate, .channel = set->channel};
    if (!file->bytes) return fm_recording_read(context, file->path, &options, recording);
    return fm_recording_decode(context, file->path, file->bytes, file->size, &options, recording);
}

static const char *name_file(const void *state, int64_t i)
{
    return file_of(state, i)->path;
}

static void release_files(void *state, fm_context *context)
{
    file_set *set = state;
    fm_file_list_release(set->list);
    fm_release(context, set->numbers);
    fm_release(context, set);
}

static const fm_sound_maker file_maker = {load_file, name_file, release_files};

/* Takes over `numbers`, also when it fails. */
static fm_status make_set(fm_context *context, fm_file_list *list, uint32_t *numbers,
                          fm_sound_set_options *made, fm_dataset **dataset)
{
    file_set *set = fm_allocate(context, sizeof *set);
    if (!set) {
        fm_release(context, numbers);
        return FM_ERROR_MEMORY;
    }
    *set = (file_set){.list = fm_file_list_retain(list),
                      .rate = made->sound->rate,
                      .channel = made->sound->channel,
                      .numbers = numbers};
    made->maker = &file_maker;
    made->state = set;
    return fm_sound_set_create(context, made, dataset);
}

/* ---- opening ---- */

enum { NO_PART = -1 };

/* Of each file in the list. */
typedef struct about_file {
    int part; /* fm_data_part, or NO_PART: left out */
    int32_t label;
    const char *class_name;
} about_file;

typedef struct opening {
    fm_context *context;
    fm_recordings_options options; /* complete */
    fm_file_list *list;
    fm_file_parts folders;
    fm_name_pattern pattern;
    fm_name_condition test, only;
    fm_class_list classes;
    fm_arena words;
    about_file *files;
    int64_t strange; /* names that do not fit */
    const char *first_strange;
} opening;

static fm_status fail_field(const opening *o, const char *owner, const char *field)
{
    return fm_fail(o->context, FM_ERROR_ARGUMENT,
                   "recordings: %s asks for the field '%s', which the pattern '%s' does not have",
                   owner, field, o->options.pattern ? o->options.pattern : "{class}/*");
}

static bool knows_field(const opening *o, const char *field)
{
    if (!o->options.pattern) return strcmp(field, "class") == 0;
    return fm_name_pattern_field(&o->pattern, field) >= 0;
}

/* A pattern may be written with the ending of its files. */
static const char *without_ending(opening *o, const char *words)
{
    if (!fm_recording_is_named(words)) return words;
    return fm_arena_format(&o->words, "%.*s", (int)(strrchr(words, '.') - words), words);
}

static fm_status read_options(opening *o)
{
    fm_context *context = o->context;
    fm_status status = FM_OK;
    if (o->options.pattern) {
        const char *words = without_ending(o, o->options.pattern);
        if (!words) return FM_ERROR_MEMORY;
        status = fm_name_pattern_read(context, "recordings: pattern", words, &o->pattern);
        if (status == FM_OK && !knows_field(o, "class")) {
            return fm_fail(context, FM_ERROR_ARGUMENT,
                           "recordings: pattern '%s': has no field {class}", o->options.pattern);
        }
    }
    if (status == FM_OK) {
        status = fm_name_condition_read(context, "recordings: test", o->options.test, &o->test);
    }
    if (status == FM_OK) {
        status = fm_name_condition_read(context, "recordings: only", o->options.only, &o->only);
    }
    if (status != FM_OK) return status;
    if (o->test.values && !knows_field(o, o->test.field))
        return fail_field(o, "test", o->test.field);
    if (o->only.values && !knows_field(o, o->only.field))
        return fail_field(o, "only", o->only.field);
    return FM_OK;
}

static fm_status open_list(opening *o, const fm_data_places *places)
{
    fm_text path = FM_TEXT(o->context);
    fm_status status = fm_places_find(o->context, places, o->options.folder, &path);
    if (status == FM_OK) {
        status =
            fm_file_list_open(o->context, &fm_recording_files, fm_text_string(&path), &o->list);
    }
    fm_text_release(&path);
    if (status != FM_OK) return status;
    o->folders = fm_file_list_parts(o->list);
    if (o->test.values) o->folders = (fm_file_parts){{"", NULL}};
    o->files = fm_allocate_array(o->context, o->list->count, sizeof *o->files);
    return o->files ? FM_OK : fm_error_status(o->context);
}

/* ---- names ---- */

/* The value of a field in the arena, NULL: memory failed. */
static const char *value_of(opening *o, const fm_name_fields *fields, const char *field)
{
    int i = o->options.pattern ? fm_name_pattern_field(&o->pattern, field) : 0;
    return fm_arena_format(&o->words, "%.*s", fields->size[i], fields->at[i]);
}

/* Without a pattern the class is the first folder. */
static bool find_fields(const opening *o, const char *name, fm_name_fields *fields)
{
    const char *slash = strchr(name, '/'), *dot = strrchr(name, '.');
    size_t size = dot && !strchr(dot, '/') ? (size_t)(dot - name) : strlen(name);
    if (o->options.pattern) return fm_name_pattern_match(&o->pattern, name, (int)size, fields);
    if (!slash) return false;
    fields->at[0] = name;
    fields->size[0] = (int)(slash - name);
    return true;
}

static int part_of(const opening *o, const char *name, const char **inner)
{
    for (int part = 0; part < 2; part++) {
        const char *folder = o->folders.folder[part];
        *inner = folder ? fm_name_in(folder, name) : NULL;
        if (*inner) return part;
    }
    return NO_PART;
}

static fm_status sort_file(opening *o, const fm_listed_file *file, about_file *about)
{
    const char *inner;
    fm_name_fields fields;
    *about = (about_file){.part = part_of(o, file->name, &inner)};
    if (about->part == NO_PART) return FM_OK;
    if (!find_fields(o, inner, &fields)) {
        if (o->strange++ == 0) o->first_strange = file->path;
        about->part = NO_PART;
        return FM_OK;
    }
    const fm_name_condition *conditions[2] = {&o->only, &o->test};
    bool met[2];
    for (int i = 0; i < 2; i++) {
        const char *value = "";
        if (conditions[i]->values) value = value_of(o, &fields, conditions[i]->field);
        if (!value) return FM_ERROR_MEMORY;
        met[i] = fm_name_condition_met(conditions[i], value);
    }
    about->class_name = value_of(o, &fields, "class");
    if (!about->class_name) return FM_ERROR_MEMORY;
    if (o->test.values) about->part = met[1] ? FM_DATA_TEST : FM_DATA_TRAIN;
    if (!met[0]) about->part = NO_PART;
    if (about->part != FM_DATA_TRAIN) return FM_OK;
    return fm_class_list_add(&o->classes, about->class_name);
}

static fm_status report_strange(const opening *o)
{
    const char *wanted = o->options.pattern ? o->options.pattern : "CLASS/NAME or train/CLASS/NAME";
    if (o->classes.count == 0) {
        return fm_fail(o->context, FM_ERROR_FORMAT,
                       "%s: no recording for training: names are to be like %s%s%s",
                       o->options.folder, wanted, o->first_strange ? ", not like " : "",
                       o->first_strange ? o->first_strange : "");
    }
    if (o->strange > 0) {
        fm_report(o->context, FM_LOG_WARNING,
                  "%s: %lld of %zu names do not fit %s and are left out; the first is %s",
                  o->options.folder, (long long)o->strange, o->list->count, wanted,
                  o->first_strange);
    }
    return FM_OK;
}

static fm_status sort_files(opening *o)
{
    fm_status status = FM_OK;
    for (size_t i = 0; i < o->list->count && status == FM_OK; i++) {
        status = sort_file(o, &o->list->files[i], &o->files[i]);
    }
    if (status == FM_OK) status = report_strange(o);
    if (status == FM_OK) status = fm_class_list_sort(&o->classes);
    for (size_t i = 0; i < o->list->count && status == FM_OK; i++) {
        about_file *about = &o->files[i];
        if (about->part == NO_PART) continue;
        about->label = fm_class_list_number(&o->classes, about->class_name);
        if (about->label >= 0) continue;
        status = fm_fail(o->context, FM_ERROR_FORMAT,
                         "%s: class \"%s\" is not among the training recordings",
                         o->list->files[i].path, about->class_name);
    }
    return status;
}

/* ---- parts ---- */

static fm_status fill_part(opening *o, fm_data_part part, uint32_t *numbers, int32_t *labels,
                           fm_dataset **dataset)
{
    int64_t count = 0;
    for (size_t i = 0; i < o->list->count; i++) {
        if (o->files[i].part != (int)part) continue;
        numbers[count] = (uint32_t)i;
        labels[count++] = o->files[i].label;
    }
    fm_column column = {.kind = FM_COLUMN_CATEGORICAL,
                        .category_count = o->classes.count,
                        .categories = o->classes.names};
    fm_sound_set_options made = {.name =
                                     part == FM_DATA_TRAIN ? "recordings train" : "recordings test",
                                 .origin = o->options.folder,
                                 .sound = &o->options.sound,
                                 .count = count,
                                 .labels = labels,
                                 .classes = &column,
                                 .leave_out_broken = o->options.on_broken == FM_BROKEN_SKIP};
    return make_set(o->context, o->list, numbers, &made, dataset);
}

static fm_status make_part(fm_context *context, const void *argument, fm_data_part part,
                           fm_dataset **dataset)
{
    opening *o = (opening *)(uintptr_t)argument;
    bool any = false;
    *dataset = NULL;
    for (size_t i = 0; i < o->list->count; i++) any = any || o->files[i].part == (int)part;
    if (!any) return FM_OK;
    uint32_t *numbers = fm_allocate_array(context, o->list->count, sizeof *numbers);
    int32_t *labels = fm_allocate_array(context, o->list->count, sizeof *labels);
    fm_status status = fm_error_status(context);
    if (numbers && labels) {
        status = fill_part(o, part, numbers, labels, dataset);
    } else {
        fm_release(context, numbers);
    }
    fm_release(context, labels);
    return status;
}

fm_status fm_dataset_recordings(fm_context *context, const fm_recordings_options *options,
                                const fm_data_places *places, fm_dataset **train, fm_dataset **test)
{
    opening o = {
        .context = context, .words = {.context = context}, .classes = FM_CLASS_LIST(context)};
    if (options) o.options = *options;
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = fm_fields_complete(context, fm_recordings_fields, &o.options, "recordings");
    if (status == FM_OK) status = read_options(&o);
    if (status == FM_OK) status = open_list(&o, places);
    if (status == FM_OK) status = sort_files(&o);
    if (status == FM_OK) status = fm_make_parts(context, make_part, &o, train, test);
    fm_file_list_release(o.list);
    fm_class_list_release(&o.classes);
    fm_arena_release(&o.words);
    fm_release(context, o.files);
    return status;
}

/* ---- files that a user names ---- */

fm_status fm_dataset_recording_files(fm_context *context, const char *const *paths, int count,
                                     const fm_sound_options *like, fm_dataset **dataset)
{
    static const fm_field fields[] = {FM_SOUND_FIELDS(DEFAULT_RATE), {0}};
    fm_sound_options sound = like ? *like : (fm_sound_options){0};
    *dataset = NULL;
    fm_status status = fm_fields_complete(context, fields, &sound, "recordings");
    if (status != FM_OK) return status;
    sound.cache = -1;
    fm_file_list *list;
    status = fm_file_list_create(context, &fm_recording_files, &list);
    for (int i = 0; i < count && status == FM_OK; i++) status = fm_file_list_add(list, paths[i]);
    if (status == FM_OK && list->count == 0) {
        status = fm_fail(context, FM_ERROR_ARGUMENT, "recordings: no files are named");
    }
    if (status == FM_OK) {
        fm_sound_set_options made = {.name = list->files[0].path,
                                     .origin = list->files[0].path,
                                     .sound = &sound,
                                     .count = (int64_t)list->count};
        status = make_set(context, list, NULL, &made, dataset);
    }
    fm_file_list_release(list);
    return status;
}
