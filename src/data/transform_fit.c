/* What a transform learns: statistics of groups of numbers, and the categories that occur. */
#include "base/fields.h"
#include "data/text/text_samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Walking over all samples ---- */

enum { CHUNK_BYTES = 1 << 20 };

typedef struct walk {
    fm_context *context;
    const fm_dataset *dataset;
    int field;
    int64_t at_once, elements;
    void *chunk;
    void (*see)(void *user, int64_t element, double value);
    void *user;
} walk;

static fm_status walk_open(walk *w)
{
    const fm_data_field *field = &w->dataset->info.fields[w->field];
    size_t bytes = fm_field_bytes(field);
    w->elements = fm_shape_elements(field->shape);
    w->at_once = bytes < CHUNK_BYTES ? (int64_t)(CHUNK_BYTES / (bytes + 1)) + 1 : 1;
    w->chunk = fm_allocate_array(w->context, (size_t)w->at_once, bytes);
    return w->chunk ? FM_OK : fm_error_status(w->context);
}

/* Calls `see` for every element of every sample, in order. */
static fm_status walk_all(walk *w)
{
    fm_dtype dtype = w->dataset->info.fields[w->field].dtype;
    for (int64_t first = 0; first < w->dataset->info.count; first += w->at_once) {
        int64_t rest = w->dataset->info.count - first;
        fm_data_request request = {.first = first, .count = rest < w->at_once ? rest : w->at_once};
        request.fields[w->field] = w->chunk;
        fm_status status = fm_dataset_read(w->context, w->dataset, &request);
        if (status != FM_OK) return status;
        for (int64_t i = 0, e = 0; i < request.count * w->elements; i++) {
            w->see(w->user, e, fm_element(w->chunk, dtype, (size_t)i));
            if (++e == w->elements) e = 0;
        }
    }
    return FM_OK;
}

/* ---- Numbers ---- */

typedef struct moments {
    int64_t count, missing;
    double sum, squares, minimum, maximum;
    double mean; /* once all are summed */
    double *values;
} moments;

typedef struct survey {
    fm_context *context;
    const fm_dataset *dataset;
    int field;
    int64_t groups;
    int64_t *group_of; /* of each element; NULL: all are in group 0 */
    moments *of;
} survey;

static moments *moments_at(survey *s, int64_t element)
{
    return &s->of[s->group_of ? s->group_of[element] : 0];
}

static void sum_up(void *user, int64_t element, double value)
{
    moments *m = moments_at(user, element);
    if (isnan(value)) {
        m->missing++;
        return;
    }
    m->count++;
    m->sum += value;
    if (value < m->minimum) m->minimum = value;
    if (value > m->maximum) m->maximum = value;
}

static void sum_squares(void *user, int64_t element, double value)
{
    moments *m = moments_at(user, element);
    if (!isnan(value)) m->squares += (value - m->mean) * (value - m->mean);
}

static void keep_value(void *user, int64_t element, double value)
{
    moments *m = moments_at(user, element);
    if (!isnan(value)) m->values[m->count++] = value;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median of each group takes the place of its mean in `medians`. */
static fm_status find_medians(walk *w, survey *s, double *medians)
{
    int64_t total = 0;
    for (int64_t g = 0; g < s->groups; g++) total += s->of[g].count;
    double *values = fm_allocate_array(s->context, (size_t)total, sizeof *values);
    if (!values) return fm_error_status(s->context);
    double *next = values;
    for (int64_t g = 0; g < s->groups; g++) {
        s->of[g].values = next;
        next += s->of[g].count;
        s->of[g].count = 0;
    }
    w->see = keep_value;
    fm_status status = walk_all(w);
    for (int64_t g = 0; g < s->groups && status == FM_OK; g++) {
        moments *m = &s->of[g];
        qsort(m->values, (size_t)m->count, sizeof *m->values, ascending);
        int64_t half = m->count / 2;
        double upper = m->count ? m->values[half] : 0;
        medians[g] = m->count % 2 || !m->count ? upper : (m->values[half - 1] + upper) / 2;
    }
    fm_release(s->context, values);
    return status;
}

/* 0 for widths that are none, or too small to divide by. */
static double inverse(double width)
{
    return width > 0 && isfinite(1 / width) ? 1 / width : 0;
}

static fm_rule make_rule(const moments *m, int normalize, double scale)
{
    fm_rule rule = {NAN, 0, 1 / scale};
    double width = m->maximum - m->minimum;
    double deviation = m->count ? sqrt(m->squares / (double)m->count) : 0;
    if (normalize == FM_NORMALIZE_STANDARDIZE) {
        rule.center = m->mean;
        rule.factor = inverse(deviation);
    } else if (normalize == FM_NORMALIZE_MIN_MAX) {
        rule.center = m->count ? m->minimum : 0;
        rule.factor = inverse(width);
    }
    return rule;
}

static fm_status refuse_infinite(const survey *s)
{
    for (int64_t g = 0; g < s->groups; g++) {
        if (isfinite(s->of[g].sum)) continue;
        const fm_data_field *field = &s->dataset->info.fields[s->field];
        bool named =
            field->columns && s->groups == fm_field_columns(field) && field->columns[g].name;
        return fm_fail(s->context, FM_ERROR_NONFINITE,
                       "data set \"%s\": an infinite value in \"%s\"", s->dataset->info.name,
                       named ? field->columns[g].name : field->name);
    }
    return FM_OK;
}

static fm_status survey_groups(survey *s, int normalize, double scale, int impute,
                               double impute_value, fm_rule *rules)
{
    walk w = {.context = s->context, .dataset = s->dataset, .field = s->field, .user = s};
    double *medians = NULL;
    fm_status status = walk_open(&w);
    for (int64_t g = 0; g < s->groups; g++) {
        s->of[g] = (moments){.minimum = INFINITY, .maximum = -INFINITY};
    }
    w.see = sum_up;
    if (status == FM_OK) status = walk_all(&w);
    for (int64_t g = 0; g < s->groups; g++) {
        moments *m = &s->of[g];
        m->mean = m->count ? m->sum / (double)m->count : 0;
    }
    if (status == FM_OK) status = refuse_infinite(s);
    w.see = sum_squares;
    if (status == FM_OK && normalize == FM_NORMALIZE_STANDARDIZE) status = walk_all(&w);
    for (int64_t g = 0; g < s->groups && status == FM_OK; g++) {
        rules[g] = make_rule(&s->of[g], normalize, scale);
        if (impute == FM_IMPUTE_MEAN) rules[g].fill = s->of[g].mean;
        if (impute == FM_IMPUTE_CONSTANT) rules[g].fill = impute_value;
    }
    if (status == FM_OK && impute == FM_IMPUTE_MEDIAN) {
        medians = fm_allocate_array(s->context, (size_t)s->groups, sizeof *medians);
        status = medians ? find_medians(&w, s, medians) : fm_error_status(s->context);
        for (int64_t g = 0; g < s->groups && status == FM_OK; g++) rules[g].fill = medians[g];
    }
    fm_release(s->context, medians);
    fm_release(s->context, w.chunk);
    return status;
}

/* Integers without normalising have nothing to learn from. */
static bool needs_survey(fm_dtype dtype, int normalize)
{
    return normalize != FM_NORMALIZE_NONE || fm_dtype_is_real(dtype);
}

static void scale_only(fm_rule *rules, int64_t count, double scale)
{
    for (int64_t g = 0; g < count; g++) rules[g] = (fm_rule){NAN, 0, 1 / scale};
}

static fm_status refuse_missing(const fm_transform *transform, const survey *s)
{
    const fm_column *columns = transform->input.fields[0].columns;
    for (int64_t g = 0; g < s->groups; g++) {
        bool numeric = !columns || columns[g].kind != FM_COLUMN_CATEGORICAL;
        if (s->of[g].missing == 0 || !numeric) continue;
        bool named = columns && s->groups == fm_field_columns(&transform->input.fields[0]) &&
                     columns[g].name;
        return fm_fail(s->context, FM_ERROR_ARGUMENT,
                       "data set \"%s\": %lld missing values in \"%s\", and impute is none",
                       s->dataset->info.name, (long long)s->of[g].missing,
                       named ? columns[g].name : "x");
    }
    return FM_OK;
}

/* What the options say instead of what the data shows. */
static fm_status set_given(fm_transform *transform, const fm_transform_options *options)
{
    const fm_reals *mean = &options->mean, *deviation = &options->deviation;
    for (int64_t g = 0; g < transform->groups; g++) {
        double center = mean->count == 0 ? 0 : mean->at[mean->count == 1 ? 0 : g];
        double width = deviation->count == 0 ? 1 : deviation->at[deviation->count == 1 ? 0 : g];
        fm_rule rule = {NAN, center * options->scale, 1 / (options->scale * width)};
        if (!isfinite(rule.factor) || !isfinite(rule.center) || width <= 0) {
            return fm_fail(transform->context, FM_ERROR_ARGUMENT, "transform: a deviation of %g",
                           width);
        }
        transform->rules[g] = rule;
    }
    return FM_OK;
}

static bool is_given(const fm_transform_options *options)
{
    return options->mean.count > 0 || options->deviation.count > 0;
}

static fm_status check_given(const fm_transform *transform, const fm_data_field *x,
                             const fm_transform_options *options)
{
    const fm_reals *lists[] = {&options->mean, &options->deviation};
    for (int i = 0; i < 2; i++) {
        int64_t channels = fm_field_columns(x);
        if (lists[i]->count <= 1 || lists[i]->count == channels) continue;
        return fm_fail(transform->context, FM_ERROR_ARGUMENT,
                       "transform: %s has %d numbers; one is wanted, or one for each of the %lld "
                       "channels",
                       i ? "deviation" : "mean", lists[i]->count, (long long)channels);
    }
    if (options->normalize == FM_NORMALIZE_NONE && !fm_transform_has_categories(x)) return FM_OK;
    return fm_fail(
        transform->context, FM_ERROR_ARGUMENT,
        "transform: mean and deviation stand in place of normalize, and are for numbers");
}

static fm_status fit_numbers(fm_transform *transform, const fm_dataset *training,
                             const fm_transform_options *options)
{
    const fm_data_field *x = &training->info.fields[0];
    if (is_given(options)) return set_given(transform, options);
    if (!needs_survey(x->dtype, options->normalize)) {
        scale_only(transform->rules, transform->groups, options->scale);
        return FM_OK;
    }
    survey s = {.context = transform->context, .dataset = training, .groups = transform->groups};
    s.of = fm_allocate_array(s.context, (size_t)s.groups, sizeof *s.of);
    if (s.of && transform->groups > 1) {
        s.group_of = fm_allocate_array(s.context, (size_t)transform->elements, sizeof *s.group_of);
        for (int64_t e = 0; s.group_of && e < transform->elements; e++) {
            s.group_of[e] = fm_rule_group(transform, e);
        }
    }
    bool made = s.of && (s.group_of || transform->groups <= 1);
    fm_status status = made ? survey_groups(&s, options->normalize, options->scale, options->impute,
                                            options->impute_value, transform->rules)
                            : fm_error_status(s.context);
    if (status == FM_OK && options->impute == FM_IMPUTE_NONE)
        status = refuse_missing(transform, &s);
    fm_release(s.context, s.of);
    fm_release(s.context, s.group_of);
    return status;
}

static fm_status fit_target_numbers(fm_transform *transform, const fm_dataset *training,
                                    const fm_transform_options *options)
{
    if (!transform->target_rules || options->target_normalize == FM_NORMALIZE_NONE) return FM_OK;
    const fm_data_field *y = &training->info.fields[1];
    int64_t columns = fm_field_columns(y), elements = fm_shape_elements(y->shape);
    survey s = {.context = transform->context, .dataset = training, .field = 1, .groups = columns};
    s.of = fm_allocate_array(s.context, (size_t)columns, sizeof *s.of);
    s.group_of = fm_allocate_array(s.context, (size_t)elements, sizeof *s.group_of);
    for (int64_t e = 0; s.group_of && e < elements; e++) s.group_of[e] = e % columns;
    fm_status status = s.of && s.group_of
                           ? survey_groups(&s, options->target_normalize, 1, FM_IMPUTE_NONE, 0,
                                           transform->target_rules)
                           : fm_error_status(s.context);
    fm_release(s.context, s.of);
    fm_release(s.context, s.group_of);
    return status;
}

/* ---- Categories ---- */

typedef struct sightings {
    const fm_column *columns;
    uint8_t **seen; /* of each column, a mark for each category and one for missing values */
} sightings;

static void mark_category(void *user, int64_t element, double value)
{
    const sightings *s = user;
    if (!s->seen[element]) return;
    int64_t count = s->columns[element].category_count;
    bool known = value >= 0 && value < (double)count; /* false for NaN */
    s->seen[element][known ? (int64_t)value : count] = 1;
}

/* Keeps the categories that were seen. */
static fm_status keep_seen(fm_transform *transform, int64_t c, const uint8_t *seen)
{
    fm_column *column = (fm_column *)(uintptr_t)&transform->input.fields[0].columns[c];
    int64_t kept = 0;
    const char **names =
        fm_arena_allocate(&transform->words, (size_t)column->category_count * sizeof *names);
    if (!names) return FM_ERROR_MEMORY;
    for (int64_t k = 0; k < column->category_count; k++) {
        if (!seen[k]) continue;
        char number[24];
        names[kept] = fm_arena_string(&transform->words, fm_column_category(column, k, number));
        if (!names[kept++]) return FM_ERROR_MEMORY;
    }
    transform->codes[c].missing = seen[column->category_count];
    column->categories = names;
    column->category_count = kept;
    return FM_OK;
}

static fm_status fit_categories(fm_transform *transform, const fm_dataset *training)
{
    if (!transform->codes) return FM_OK;
    fm_arena marks = {.context = transform->context};
    int64_t columns = fm_field_columns(&training->info.fields[0]);
    sightings s = {.columns = training->info.fields[0].columns};
    s.seen = fm_arena_allocate(&marks, (size_t)columns * sizeof *s.seen);
    fm_status status = s.seen ? FM_OK : FM_ERROR_MEMORY;
    for (int64_t c = 0; c < columns && status == FM_OK; c++) {
        if (s.columns[c].kind != FM_COLUMN_CATEGORICAL) continue;
        s.seen[c] = fm_arena_allocate(&marks, (size_t)s.columns[c].category_count + 1);
        if (!s.seen[c]) status = FM_ERROR_MEMORY;
    }
    walk w = {.context = transform->context, .dataset = training, .see = mark_category, .user = &s};
    if (status == FM_OK) status = walk_open(&w);
    if (status == FM_OK) status = walk_all(&w);
    for (int64_t c = 0; c < columns && status == FM_OK; c++) {
        if (s.seen[c]) status = keep_seen(transform, c, s.seen[c]);
    }
    fm_release(transform->context, w.chunk);
    fm_arena_release(&marks);
    return status;
}

/* ---- Fitting ---- */

static fm_status choose_target(fm_transform *transform, const fm_dataset *training, int target)
{
    transform->target = FM_TARGET_VALUE;
    if (training->info.field_count < 2) return FM_OK;
    int64_t classes = fm_dataset_classes(training, NULL);
    transform->target = target != FM_TARGET_AUTO ? target
                        : classes                ? FM_TARGET_INDEX
                                                 : FM_TARGET_VALUE;
    bool any = transform->target == FM_TARGET_VALUE || !fm_target_reads_y(transform->target);
    if (classes || any) return FM_OK;
    return fm_fail(
        transform->context, FM_ERROR_ARGUMENT,
        "data set \"%s\": target %s needs classes, but \"y\" holds numbers; class numbers of CSV, "
        "NPY and IDX files are read as classes with target_kind: categorical",
        training->info.name, fm_target_names[transform->target]);
}

static fm_status choose_statistics(fm_transform *transform, const fm_dataset *training,
                                   int statistics)
{
    const fm_data_field *x = &training->info.fields[0];
    bool table = x->shape.rank <= 1, categories = fm_transform_has_categories(x);
    if (categories && !table) {
        return fm_fail(transform->context, FM_ERROR_UNSUPPORTED,
                       "data set \"%s\": categorical columns in samples of more than one dimension",
                       training->info.name);
    }
    if (statistics == FM_STATISTICS_AUTO) {
        statistics = table        ? FM_STATISTICS_EACH
                     : x->columns ? FM_STATISTICS_CHANNEL
                                  : FM_STATISTICS_ALL;
    }
    transform->statistics = categories ? FM_STATISTICS_EACH : statistics;
    return FM_OK;
}

static fm_status fit_text(fm_transform *transform, const fm_dataset *training,
                          const fm_transform_options *options)
{
    bool numbers =
        options->scale != 1 || options->normalize != FM_NORMALIZE_NONE || is_given(options);
    if (numbers) {
        return fm_fail(transform->context, FM_ERROR_ARGUMENT,
                       "data set \"%s\": scale, normalize, mean and deviation are for numbers, and "
                       "\"x\" is text",
                       training->info.name);
    }
    fm_status status = fm_text_fit(transform, training, options->batch_size);
    if (status == FM_OK) status = fit_target_numbers(transform, training, options);
    return status == FM_OK ? fm_transform_finish(transform) : status;
}

static fm_status fit(fm_transform *transform, const fm_dataset *training,
                     const fm_transform_options *options)
{
    bool given = is_given(options);
    bool one = options->mean.count <= 1 && options->deviation.count <= 1;
    int statistics = !given ? options->statistics : one ? FM_STATISTICS_ALL : FM_STATISTICS_CHANNEL;
    fm_status status = choose_statistics(transform, training, statistics);
    if (status == FM_OK && given) {
        status = check_given(transform, &training->info.fields[0], options);
    }
    if (status == FM_OK) status = choose_target(transform, training, options->target);
    if (status != FM_OK) return status;
    transform->encode = options->encode;
    status = fm_transform_make_rules(transform);
    if (status != FM_OK) return status;
    if (training->info.text) return fit_text(transform, training, options);
    status = fit_numbers(transform, training, options);
    if (status == FM_OK) status = fit_target_numbers(transform, training, options);
    if (status == FM_OK) status = fit_categories(transform, training);
    if (status == FM_OK) status = fm_transform_finish(transform);
    return status;
}

fm_status fm_transform_fit(fm_context *context, const fm_dataset *training,
                           const fm_transform_options *options, fm_transform **transform)
{
    fm_transform_options filled = options ? *options : (fm_transform_options){0};
    *transform = NULL;
    fm_status status = fm_fields_complete(context, fm_transform_fields, &filled, "transform");
    if (status != FM_OK) return status;
    if (!isfinite(1 / filled.scale) || !isfinite(filled.scale)) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "transform: scale must not be %g",
                       filled.scale + 0.0); /* a given 0 is kept as -0 */
    }
    if (training->info.count == 0) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "data set \"%s\": no samples to learn from",
                       training->info.name);
    }
    fm_transform *made;
    status = fm_transform_begin(context, &training->info, &made);
    if (status == FM_OK) status = fit(made, training, &filled);
    if (status != FM_OK) {
        fm_transform_destroy(made);
        return status;
    }
    *transform = made;
    return FM_OK;
}
