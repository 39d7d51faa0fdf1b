/* One pass over the samples of a part: everything that is counted of them. */
#include "train/check_inside.h"
#include "fathom/text_data.h"

#include <math.h>
#include <string.h>

enum { CHUNK_BYTES = 4 << 20, MOST_COLUMNS = 65536 };

/* Fields of a chunk: the prepared ones, and "x" and "y" as they were. */
typedef struct chunk {
    fm_checking *checking;
    fm_check_part *part;
    int64_t at_once;
    char *fields[2], *raw[2];
    uint32_t *indices;
    bool *read; /* samples that could be read */
} chunk;

/* ---- hashes ---------------------------------------------------------------------------------- */

/* Eight bytes at a time, mixed as by SplitMix64 (G. Steele et al., 2014). */
static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

static uint64_t hash_bytes(const char *bytes, size_t size)
{
    uint64_t h = size, word;
    for (; size >= sizeof word; size -= sizeof word, bytes += sizeof word) {
        memcpy(&word, bytes, sizeof word);
        h = mix(h + 0x9e3779b97f4a7c15u + word);
    }
    word = 0;
    memcpy(&word, bytes, size);
    return mix(h + 0x9e3779b97f4a7c15u + word);
}

/* ---- columns --------------------------------------------------------------------------------- */

static int64_t count_columns(const fm_data_field *field)
{
    bool table = field->shape.rank == 1 || field->columns;
    int64_t columns = table ? fm_field_columns(field) : 1;
    return columns <= MOST_COLUMNS ? columns : 1;
}

static fm_check_column *make_columns(fm_arena *arena, int64_t count)
{
    fm_check_column *columns = fm_arena_allocate(arena, (size_t)count * sizeof *columns);
    for (int64_t i = 0; columns && i < count; i++) {
        columns[i] = (fm_check_column){.minimum = INFINITY, .maximum = -INFINITY, .first_bad = -1};
    }
    return columns;
}

static void see_columns(fm_check_column *columns, int64_t count, const fm_data_field *field,
                        const void *sample, int64_t number)
{
    int64_t elements = fm_shape_elements(field->shape);
    for (int64_t e = 0; e < elements; e++) {
        fm_check_column *c = &columns[e % count];
        double value = fm_element(sample, field->dtype, (size_t)e);
        if (!isfinite(value)) {
            if (c->first_bad < 0) c->first_bad = number;
            *(isnan(value) ? &c->nan : &c->infinite) += 1;
            continue;
        }
        c->count++;
        c->sum += value;
        c->squares += value * value;
        if (value < c->minimum) c->minimum = value;
        if (value > c->maximum) c->maximum = value;
    }
}

/* ---- labels ---------------------------------------------------------------------------------- */

static void count_label(fm_checking *c, fm_check_part *part, double label, int64_t number)
{
    if (label >= 0 && label < (double)c->class_count && label == floor(label)) {
        part->classes[(int64_t)label]++;
        return;
    }
    if (part->outside++ > 0) return;
    part->first_outside = number;
    part->outside_label = label;
}

/* Indices, one-hot rows (or shares: the largest counts), or the class as a number. */
static void see_labels(fm_checking *c, fm_check_part *part, const fm_data_field *field,
                       const void *sample, int64_t number)
{
    int64_t elements = fm_shape_elements(field->shape);
    bool one_hot = fm_dtype_is_real(field->dtype) && c->class_count > 1 && field->shape.rank > 0 &&
                   fm_field_columns(field) == c->class_count;
    if (!part->classes) return;
    if (!one_hot) {
        for (int64_t e = 0; e < elements; e++) {
            count_label(c, part, fm_element(sample, field->dtype, (size_t)e), number);
        }
        return;
    }
    for (int64_t first = 0; first < elements; first += c->class_count) {
        int64_t best = 0;
        for (int64_t k = 1; k < c->class_count; k++) {
            double value = fm_element(sample, field->dtype, (size_t)(first + k));
            if (value > fm_element(sample, field->dtype, (size_t)(first + best))) best = k;
        }
        count_label(c, part, (double)best, number);
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

static fm_status take_field(chunk *k, const fm_dataset *set, int field, char **to)
{
    const fm_dataset_info *about = set ? fm_dataset_about(set) : NULL;
    *to = NULL;
    if (!about || field >= about->field_count) return FM_OK;
    size_t bytes = fm_field_bytes(&about->fields[field]);
    *to = fm_arena_allocate(&k->checking->arena, (size_t)k->at_once * bytes + 1);
    return *to ? FM_OK : FM_ERROR_MEMORY;
}

static int64_t samples_at_once(const fm_check_part *part)
{
    size_t bytes = 1;
    const fm_dataset *sets[] = {part->prepared, part->raw};
    for (int i = 0; i < 2; i++) {
        const fm_dataset_info *about = sets[i] ? fm_dataset_about(sets[i]) : NULL;
        for (int f = 0; about && f < about->field_count && f < 2; f++) {
            bytes += fm_field_bytes(&about->fields[f]);
        }
    }
    return bytes < CHUNK_BYTES ? (int64_t)(CHUNK_BYTES / bytes) : 1;
}

static fm_status open_chunk(fm_checking *c, fm_check_part *part, int64_t count, chunk *k)
{
    int64_t at_once = samples_at_once(part);
    *k = (chunk){.checking = c, .part = part, .at_once = at_once < count ? at_once : count};
    if (k->at_once < 1) k->at_once = 1;
    fm_status status = FM_OK;
    for (int f = 0; f < 2 && status == FM_OK; f++) {
        if (f == 0 || !c->y_is_made) status = take_field(k, part->prepared, f, &k->fields[f]);
        bool wanted = f == 0 || !c->labels_unused;
        if (status == FM_OK && wanted) status = take_field(k, part->raw, f, &k->raw[f]);
    }
    if (status != FM_OK) return status;
    k->indices = fm_arena_allocate(&c->arena, (size_t)k->at_once * sizeof *k->indices);
    k->read = fm_arena_allocate(&c->arena, (size_t)k->at_once);
    return k->indices && k->read ? FM_OK : FM_ERROR_MEMORY;
}

/* Samples [first, first + count) of the chunk. */
static fm_status read_some(const chunk *k, int64_t first, int64_t count)
{
    const fm_dataset *sets[] = {k->part->prepared, k->part->raw};
    char *const *to[] = {k->fields, k->raw};
    fm_status status = FM_OK;
    for (int i = 0; i < 2 && sets[i] && status == FM_OK; i++) {
        fm_data_request request = {.indices = k->indices + first, .count = count};
        for (int f = 0; f < 2; f++) {
            if (!to[i][f]) continue;
            size_t bytes = fm_field_bytes(&fm_dataset_about(sets[i])->fields[f]);
            request.fields[f] = to[i][f] + (size_t)first * bytes;
        }
        status = fm_dataset_read(k->checking->context, sets[i], &request);
    }
    return status;
}

/* Where the chunk cannot be read as a whole, sample by sample. */
static fm_status read_chunk(chunk *k, int64_t count)
{
    fm_checking *c = k->checking;
    fm_status status = read_some(k, 0, count);
    for (int64_t i = 0; i < count; i++) k->read[i] = status == FM_OK;
    if (status == FM_OK || status == FM_ERROR_MEMORY) return status;
    for (int64_t i = 0; i < count; i++) {
        status = read_some(k, i, 1);
        if (status == FM_ERROR_MEMORY) return status;
        k->read[i] = status == FM_OK;
        if (status == FM_OK || k->part->broken++ > 0) continue;
        k->part->broken_words = fm_arena_string(&c->arena, fm_error_message(c->context));
        if (!k->part->broken_words) return FM_ERROR_MEMORY;
    }
    fm_error_clear(c->context);
    return FM_OK;
}

/* Of what the user would call the same sample: its bytes, a text, or a window's tokens. */
static uint64_t hash_input(const fm_check_part *part, int64_t number, const char *sample,
                           const char *raw)
{
    const fm_dataset_info *was = fm_dataset_about(part->raw);
    size_t size;
    if (!was->text) return hash_bytes(raw, fm_field_bytes(&was->fields[0]));
    const char *text = fm_dataset_text(part->raw, number, &size);
    if (text) return hash_bytes(text, size);
    return hash_bytes(sample, fm_field_bytes(&fm_dataset_about(part->prepared)->fields[0]));
}

static void see_sample(chunk *k, int64_t i)
{
    fm_check_part *part = k->part;
    const fm_dataset_info *about = fm_dataset_about(part->prepared);
    int64_t number = k->indices[i];
    const char *sample[2], *raw[2];
    for (int f = 0; f < 2; f++) {
        sample[f] =
            k->fields[f] + (k->fields[f] ? (size_t)i * fm_field_bytes(&about->fields[f]) : 0);
        const fm_data_field *field = k->raw[f] ? &fm_dataset_about(part->raw)->fields[f] : NULL;
        raw[f] = k->raw[f] + (field ? (size_t)i * fm_field_bytes(field) : 0);
    }
    part->seen++;
    see_columns(part->x, part->x_columns, &about->fields[0], sample[0], number);
    if (sample[1]) {
        see_columns(part->y, part->y_columns, &about->fields[1], sample[1], number);
        see_labels(k->checking, part, &about->fields[1], sample[1], number);
    }
    if (!raw[0]) return;
    const fm_dataset_info *was = fm_dataset_about(part->raw);
    see_columns(part->raw_x, part->raw_columns, &was->fields[0], raw[0], number);
    part->prints[part->print_count++] =
        (fm_check_print){hash_input(part, number, sample[0], raw[0]),
                         raw[1] ? hash_bytes(raw[1], fm_field_bytes(&was->fields[1])) : 0, number};
}

/* ---- a part ---------------------------------------------------------------------------------- */

static fm_status open_part(fm_checking *c, fm_check_part *part, int64_t count)
{
    const fm_dataset_info *about = fm_dataset_about(part->prepared);
    part->x_columns = count_columns(&about->fields[0]);
    part->x = make_columns(&c->arena, part->x_columns);
    if (!part->x) return FM_ERROR_MEMORY;
    if (about->field_count > 1 && !c->y_is_made) {
        part->y_columns = count_columns(&about->fields[1]);
        part->y = make_columns(&c->arena, part->y_columns);
        if (!part->y) return FM_ERROR_MEMORY;
    }
    if (c->class_count > 0) {
        part->classes = fm_arena_allocate(&c->arena, (size_t)c->class_count * sizeof(int64_t));
        if (!part->classes) return FM_ERROR_MEMORY;
    }
    if (!part->raw) return FM_OK;
    part->raw_columns = count_columns(&fm_dataset_about(part->raw)->fields[0]);
    part->raw_x = make_columns(&c->arena, part->raw_columns);
    part->prints = fm_arena_allocate(&c->arena, (size_t)count * sizeof *part->prints + 1);
    return part->raw_x && part->prints ? FM_OK : FM_ERROR_MEMORY;
}

fm_status fm_check_see_part(fm_checking *c, fm_check_part *part)
{
    int64_t all = fm_dataset_about(part->prepared)->count;
    int64_t count = all < c->options.limit ? all : c->options.limit;
    chunk k;
    fm_status status = open_part(c, part, count);
    if (status == FM_OK) status = open_chunk(c, part, count, &k);
    for (int64_t first = 0; first < count && status == FM_OK; first += k.at_once) {
        int64_t here = count - first < k.at_once ? count - first : k.at_once;
        for (int64_t i = 0; i < here; i++) {
            double at = (double)(first + i) * (double)all / (double)count; /* evenly spread */
            k.indices[i] = (uint32_t)at;
        }
        status = read_chunk(&k, here);
        for (int64_t i = 0; i < here && status == FM_OK; i++) {
            if (k.read[i]) see_sample(&k, i);
        }
    }
    return status;
}
