/* Initialisers: how variables start. Formulas and sources are in fathom/nn.h. */
#include "base/element.h"
#include "base/memory.h"
#include "base/plain_numbers.h"
#include "base/random.h"
#include "fathom/nn.h"
#include "nn/option.h"

#include <stdio.h>

enum { FAN_IN, FAN_AVERAGE };

/* What a fill draws from and writes to; elements are computed in f64 whatever they become. */
typedef struct fill {
    fm_random random;
    fm_dtype dtype;
    void *elements;
    int64_t count;
} fill;

static void put(const fill *f, int64_t i, double value)
{
    fm_element_put(f->elements, f->dtype, (size_t)i, value);
}

#define FILL_PARAMETERS                                                                            \
    fm_context *context, const fm_initializer *self, fm_dtype dtype, fm_shape shape,               \
        uint64_t seed, uint32_t stream, void *elements

static fm_status begin(FILL_PARAMETERS, fill *f)
{
    const fm_initializer_record *record = fm_initializer_find(self->name);
    fm_initializer checked = *self;
    *f = (fill){fm_random_at(seed, 0, stream), dtype, elements, fm_shape_elements(shape)};
    if (fm_dtype_is_real(dtype)) {
        return fm_fields_complete(context, record ? record->fields : NULL, &checked, self->name);
    }
    return fm_fail(context, FM_ERROR_ARGUMENT, "%s fills f32 or f64, received %s", self->name,
                   fm_dtype_name(dtype));
}

static double number(const fm_initializer *self, const char *name)
{
    return fm_option_real(fm_initializer_find(self->name)->fields, name, self);
}

static fm_status fill_zeros(FILL_PARAMETERS)
{
    (void)context, (void)self, (void)seed, (void)stream;
    memset(elements, 0, (size_t)fm_shape_bytes(shape, dtype));
    return FM_OK;
}

static fm_status fill_ones(FILL_PARAMETERS)
{
    fill f;
    fm_status status = begin(context, self, dtype, shape, seed, stream, elements, &f);
    for (int64_t i = 0; status == FM_OK && i < f.count; i++) put(&f, i, 1);
    return status;
}

static fm_status fill_constant(FILL_PARAMETERS)
{
    fill f;
    fm_status status = begin(context, self, dtype, shape, seed, stream, elements, &f);
    double value = number(self, "value");
    for (int64_t i = 0; status == FM_OK && i < f.count; i++) put(&f, i, value);
    return status;
}

static fm_status fill_identity(FILL_PARAMETERS)
{
    fill f;
    fm_status status = begin(context, self, dtype, shape, seed, stream, elements, &f);
    if (status != FM_OK) return status;
    if (shape.rank != 2) {
        return fm_fail(context, FM_ERROR_SHAPE, "identity fills a matrix, received shape %s",
                       fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    }
    double gain = number(self, "gain");
    for (int64_t i = 0; i < f.count; i++) {
        put(&f, i, i / shape.dims[1] == i % shape.dims[1] ? gain : 0);
    }
    return FM_OK;
}

static void draw_uniform(fill *f, double low, double high)
{
    for (int64_t i = 0; i < f->count; i++) put(f, i, fm_random_range(&f->random, low, high));
}

static void draw_cut_normal(fill *f, double mean, double stddev)
{
    for (int64_t i = 0; i < f->count; i++) {
        double z = fm_random_normal(&f->random);
        while (z < -2 || z > 2) z = fm_random_normal(&f->random);
        put(f, i, mean + stddev * z);
    }
}

static fm_status fill_random_uniform(FILL_PARAMETERS)
{
    fill f;
    fm_status status = begin(context, self, dtype, shape, seed, stream, elements, &f);
    if (status == FM_OK) draw_uniform(&f, number(self, "minval"), number(self, "maxval"));
    return status;
}

static fm_status fill_random_normal(FILL_PARAMETERS)
{
    fill f;
    fm_status status = begin(context, self, dtype, shape, seed, stream, elements, &f);
    if (status != FM_OK) return status;
    double mean = number(self, "mean"), stddev = number(self, "stddev");
    for (int64_t i = 0; i < f.count; i++) put(&f, i, mean + stddev * fm_random_normal(&f.random));
    return FM_OK;
}

static fm_status fill_truncated_normal(FILL_PARAMETERS)
{
    fill f;
    fm_status status = begin(context, self, dtype, shape, seed, stream, elements, &f);
    if (status == FM_OK) draw_cut_normal(&f, number(self, "mean"), number(self, "stddev"));
    return status;
}

/* gain / fan. */
static double scaled_variance(const fm_initializer *self, fm_shape shape)
{
    double in = 1, out = 1;
    if (shape.rank == 1) in = out = (double)shape.dims[0];
    if (shape.rank >= 2) {
        in = (double)shape.dims[shape.rank - 2];
        out = (double)shape.dims[shape.rank - 1];
    }
    for (int i = 0; i < shape.rank - 2; i++) {
        in *= (double)shape.dims[i];
        out *= (double)shape.dims[i];
    }
    return self->a / fmax(1, self->fan == FAN_IN ? in : (in + out) / 2);
}

static fm_status fill_scaled_uniform(FILL_PARAMETERS)
{
    fill f;
    fm_status status = begin(context, self, dtype, shape, seed, stream, elements, &f);
    double limit = sqrt(3 * scaled_variance(self, shape));
    if (status == FM_OK) draw_uniform(&f, -limit, limit);
    return status;
}

static fm_status fill_scaled_normal(FILL_PARAMETERS)
{
    /* the deviation of a standard normal that is cut at -2 and 2 */
    static const double cut_deviation = 0.87962566103423978;
    fill f;
    fm_status status = begin(context, self, dtype, shape, seed, stream, elements, &f);
    double stddev = sqrt(scaled_variance(self, shape)) / cut_deviation;
    if (status == FM_OK) draw_cut_normal(&f, 0, stddev);
    return status;
}

static double dot(int64_t n, const double *a, const double *b)
{
    double sums[4] = {0}; /* independent, so that they run side by side */
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        for (int k = 0; k < 4; k++) sums[k] += a[i + k] * b[i + k];
    }
    for (; i < n; i++) sums[0] += a[i] * b[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* Rows of v (count x n, count <= n) become orthonormal: Gram and Schmidt, twice, which is enough
 * (Giraud et al. 2005). The triangular factor's diagonal is positive, so the result is uniform over
 * the orthogonal matrices (Mezzadri 2007). */
static void orthonormalize(double *v, int64_t count, int64_t n)
{
    for (int64_t i = 0; i < count; i++) {
        double *row = v + i * n;
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t j = 0; j < i; j++) {
                double along = dot(n, row, v + j * n);
                for (int64_t k = 0; k < n; k++) row[k] -= along * v[j * n + k];
            }
            double length = sqrt(dot(n, row, row));
            for (int64_t k = 0; k < n; k++) row[k] /= length;
        }
    }
}

static fm_status fill_orthogonal(FILL_PARAMETERS)
{
    fill f;
    fm_status status = begin(context, self, dtype, shape, seed, stream, elements, &f);
    if (status != FM_OK) return status;
    if (shape.rank < 2) {
        return fm_fail(context, FM_ERROR_SHAPE,
                       "orthogonal fills a matrix or more dimensions, received shape %s",
                       fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    }
    if (f.count == 0) return FM_OK;
    int64_t columns = shape.dims[shape.rank - 1], rows = f.count / columns;
    bool tall = rows >= columns; /* then the columns are the orthonormal vectors */
    double *v = fm_allocate_array(context, (size_t)f.count, sizeof *v);
    if (!v) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < f.count; i++) v[i] = fm_random_normal(&f.random);
    orthonormalize(v, tall ? columns : rows, tall ? rows : columns);
    double gain = number(self, "gain");
    for (int64_t i = 0; i < f.count; i++) {
        int64_t row = i / columns, column = i % columns;
        put(&f, i, gain * (tall ? v[column * rows + row] : v[i]));
    }
    fm_release(context, v);
    return FM_OK;
}

/* ---- records --------------------------------------------------------------------------------- */

#define LARGEST 1e300 /* finite, and read back from any text of it */
#define NUMBER(name_, member, doc_, number_, least_)                                               \
    {                                                                                              \
        .name = name_, .doc = doc_, .offset = offsetof(fm_initializer, member),                    \
        .type = FM_FIELD_REAL, .default_value = number_, .minimum = least_, .maximum = LARGEST     \
    }
static const fm_field no_fields[] = {{.name = NULL}};
static const fm_field constant_fields[] = {NUMBER("value", a, "of every element", 0, -LARGEST),
                                           {.name = NULL}};
static const fm_field gain_fields[] = {NUMBER("gain", a, "a factor", 1, -LARGEST), {.name = NULL}};
static const fm_field normal_fields[] = {NUMBER("mean", a, "the centre", 0, -LARGEST),
                                         NUMBER("stddev", b, "the standard deviation", 0.05, 0),
                                         {.name = NULL}};
static const fm_field uniform_fields[] = {NUMBER("minval", a, "the lowest value", -0.05, -LARGEST),
                                          NUMBER("maxval", b, "the highest value", 0.05, -LARGEST),
                                          {.name = NULL}};

#define RECORD(name, alias, doc, fields, fill, scale, fan)                                         \
    {                                                                                              \
        name, alias, doc, fields,                                                                  \
        {                                                                                          \
            name, fill, scale, 0, fan                                                              \
        }                                                                                          \
    }
static const fm_initializer_record records[] = {
    RECORD("zeros", NULL, "0", no_fields, fill_zeros, 0, 0),
    RECORD("ones", NULL, "1", no_fields, fill_ones, 0, 0),
    RECORD("constant", NULL, "value", constant_fields, fill_constant, 0, 0),
    RECORD("identity", "eye", "gain on the diagonal, else 0", gain_fields, fill_identity, 0, 0),
    RECORD("glorot_uniform", "xavier_uniform", "uniform, variance 2 / (fan_in + fan_out)",
           no_fields, fill_scaled_uniform, 1, FAN_AVERAGE),
    RECORD("glorot_normal", "xavier_normal", "cut normal, variance 2 / (fan_in + fan_out)",
           no_fields, fill_scaled_normal, 1, FAN_AVERAGE),
    RECORD("he_uniform", "kaiming_uniform", "uniform, variance 2 / fan_in", no_fields,
           fill_scaled_uniform, 2, FAN_IN),
    RECORD("he_normal", "kaiming_normal", "cut normal, variance 2 / fan_in", no_fields,
           fill_scaled_normal, 2, FAN_IN),
    RECORD("lecun_uniform", NULL, "uniform, variance 1 / fan_in", no_fields, fill_scaled_uniform, 1,
           FAN_IN),
    RECORD("lecun_normal", NULL, "cut normal, variance 1 / fan_in", no_fields, fill_scaled_normal,
           1, FAN_IN),
    RECORD("orthogonal", NULL, "orthonormal rows or columns, times gain", gain_fields,
           fill_orthogonal, 0, 0),
    RECORD("random_normal", NULL, "normal", normal_fields, fill_random_normal, 0, 0),
    RECORD("truncated_normal", NULL, "normal, drawn again beyond two deviations", normal_fields,
           fill_truncated_normal, 0, 0),
    RECORD("random_uniform", NULL, "uniform between minval and maxval", uniform_fields,
           fill_random_uniform, 0, 0),
};
enum { RECORDS = sizeof records / sizeof records[0] };

const fm_initializer_record *fm_initializer_at(int i)
{
    return i >= 0 && i < RECORDS ? &records[i] : NULL;
}

const fm_initializer_record *fm_initializer_find(const char *name)
{
    for (int i = 0; i < RECORDS; i++) {
        if (strcmp(records[i].name, name) == 0) return &records[i];
        if (records[i].alias && strcmp(records[i].alias, name) == 0) return &records[i];
    }
    return NULL;
}

static const char *next_name(const void *list, int i)
{
    (void)list;
    return i < RECORDS ? records[i].name : NULL;
}

/* A number that was given: zero is zero, not the default. */
static double given(double value)
{
    return value == 0 ? FM_ZERO : value;
}

#define PLAIN(name)                                                                                \
    fm_initializer fm_##name(void)                                                                 \
    {                                                                                              \
        return fm_initializer_find(#name)->prototype;                                              \
    }
PLAIN(zeros)
PLAIN(ones)
PLAIN(glorot_uniform)
PLAIN(glorot_normal)
PLAIN(he_uniform)
PLAIN(he_normal)
PLAIN(lecun_uniform)
PLAIN(lecun_normal)

static fm_initializer with_numbers(const char *name, double a, double b)
{
    fm_initializer made = fm_initializer_find(name)->prototype;
    made.a = given(a);
    made.b = given(b);
    return made;
}

fm_initializer fm_constant_initializer(double value)
{
    return with_numbers("constant", value, 0);
}

fm_initializer fm_identity(double gain)
{
    return with_numbers("identity", gain, 0);
}

fm_initializer fm_orthogonal(double gain)
{
    return with_numbers("orthogonal", gain, 0);
}

fm_initializer fm_random_normal_initializer(double mean, double stddev)
{
    return with_numbers("random_normal", mean, stddev);
}

fm_initializer fm_truncated_normal(double mean, double stddev)
{
    return with_numbers("truncated_normal", mean, stddev);
}

fm_initializer fm_random_uniform_initializer(double minimum, double maximum)
{
    return with_numbers("random_uniform", minimum, maximum);
}

/* ---- from text ------------------------------------------------------------------------------- */

/* "stddev=0.02, mean=1)" into the numbers. */
static fm_status parse_numbers(fm_context *context, const char *text, const char *at,
                               const fm_initializer_record *record, fm_initializer *made)
{
    while (*at && *at != ')') {
        char word[32];
        int used = 0;
        if (sscanf(at, " %31[a-z_] = %n", word, &used) != 1 || used == 0) break;
        const fm_field *field = fm_field_find(record->fields, word);
        if (!field) {
            const char *near = fm_nearest_field(word, record->fields);
            return fm_fail(context, FM_ERROR_ARGUMENT, "%s has no '%s'%s%s%s", record->name, word,
                           near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        }
        const char *end;
        double value;
        if (!fm_plain_number(at + used, &end, &value)) break;
        fm_status status = fm_field_set_real(context, field, made, record->name, value);
        if (status != FM_OK) return status;
        at = end + strspn(end, " ");
        if (*at == ',') at++;
    }
    if (at[0] == ')' && at[1] == '\0') return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT,
                   "cannot read the initializer '%s': write it like truncated_normal(stddev=0.02)",
                   text);
}

fm_status fm_initializer_parse(fm_context *context, const char *text, fm_initializer *initializer)
{
    char name[32] = "";
    size_t length = strcspn(text, "( ");
    if (length < sizeof name) memcpy(name, text, length);
    const fm_initializer_record *record = fm_initializer_find(name);
    if (!record) {
        const char *near = fm_nearest(name, next_name, NULL);
        return fm_fail(context, FM_ERROR_ARGUMENT, "unknown initializer '%s'%s%s%s", text,
                       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    *initializer = record->prototype;
    const char *at = text + length + strspn(text + length, " ");
    return *at ? parse_numbers(context, text, at + (*at == '('), record, initializer) : FM_OK;
}
