#include "cli/explain_attention.h"
#include "cli/json_lines.h"
#include "fathom/text_data.h"

#include <math.h>
#include <string.h>

typedef struct attention_run {
    invocation *s;
    saved_model *saved;
    fm_explainer *explainer;
    fm_arena arena;
    attended *samples;
    int64_t count;
} attention_run;

/* ---- one sample ------------------------------------------------------------------------------ */

static const fm_text_form *form_of(const attention_run *r)
{
    return fm_transform_input(r->saved->transform)->text;
}

/* From the first to the last token that is no padding. */
static void find_real(attended *a)
{
    a->first = 0;
    a->count = a->length;
    if (!a->tokens) return;
    while (a->count > 1 && a->tokens[a->count - 1] == FM_TOKEN_PADDING) a->count--;
    while (a->first < a->count - 1 && a->tokens[a->first] == FM_TOKEN_PADDING) a->first++;
    a->count -= a->first;
}

/* What the explainer keeps until its next call is copied. */
static fm_status keep_maps(attention_run *r, attended *a, const fm_attention_map *maps)
{
    fm_attention_map *kept = fm_arena_allocate(&r->arena, (size_t)a->map_count * sizeof *kept);
    if (!kept) return FM_ERROR_MEMORY;
    for (int i = 0; i < a->map_count; i++) {
        size_t bytes = (size_t)(maps[i].heads * maps[i].queries * maps[i].keys) * sizeof(double);
        double *weights = fm_arena_allocate(&r->arena, bytes);
        if (!weights) return FM_ERROR_MEMORY;
        kept[i] = maps[i];
        kept[i].weights = memcpy(weights, maps[i].weights, bytes);
    }
    a->maps = kept;
    return FM_OK;
}

static fm_status explain_sample(attention_run *r, attended *a)
{
    const fm_attention_map *maps;
    fm_status status = fm_explain_attention(r->explainer, a->x, &maps, &a->map_count);
    return status == FM_OK ? keep_maps(r, a, maps) : status;
}

static fm_status read_sample(attention_run *r, const predict_input *input, int64_t i, attended *a)
{
    fm_dtype dtype;
    fm_shape shape = fm_model_input(r->saved->model, &dtype);
    void *x = fm_arena_allocate(&r->arena, (size_t)fm_shape_bytes(shape, dtype));
    if (!x) return FM_ERROR_MEMORY;
    const fm_data_request request = {.first = i, .count = 1, .fields = {x}};
    const char *file = predict_input_file(input, i);
    long long number = input->numbers ? (long long)input->numbers[i] : (long long)i;
    if (file) {
        snprintf(a->title, sizeof a->title, "%s", file);
    } else {
        snprintf(a->title, sizeof a->title, "%s %lld", input->name, number);
    }
    a->x = x;
    a->tokens = form_of(r) && dtype == FM_I32 && shape.rank == 1 ? x : NULL;
    a->length = shape.rank > 0 ? shape.dims[0] : 1;
    fm_status status = fm_dataset_read(r->s->context, input->prepared, &request);
    find_real(a);
    if (status != FM_OK || !a->tokens) return status;
    return explain_written(r->s, r->saved, input->raw, i, &r->arena, &a->written);
}

/* The text of a model that goes on with one:
 * causal attention does not see what stands behind it. */
static fm_status read_running_text(attention_run *r, attended *a)
{
    const char *text = r->s->given->text_input;
    int64_t length = fm_model_input(r->saved->model, NULL).dims[0], count;
    int32_t *tokens = fm_arena_allocate(&r->arena, (size_t)length * sizeof *tokens);
    fm_written *written = fm_arena_allocate(&r->arena, (size_t)length * sizeof *written);
    if (!tokens || !written) return FM_ERROR_MEMORY;
    fm_status status =
        fm_vocabulary_encode(r->s->context, fm_transform_vocabulary(r->saved->transform), text,
                             strlen(text), tokens, length, &count);
    if (status != FM_OK) return status;
    if (count < 1 || count > length) {
        return fm_fail(r->s->context, FM_ERROR_ARGUMENT,
                       "--text: has %lld tokens, the model reads 1 to %lld at once",
                       (long long)count, (long long)length);
    }
    *a = (attended){
        .x = tokens, .tokens = tokens, .written = written, .length = length, .count = count};
    snprintf(a->title, sizeof a->title, "text");
    return fm_text_written(r->s->context, r->saved->transform, text, strlen(text), written);
}

/* ---- all samples ----------------------------------------------------------------------------- */

static bool is_running(const attention_run *r)
{
    return form_of(r) && form_of(r)->running;
}

static fm_status explain_inputs(attention_run *r, const predict_input *inputs, int input_count)
{
    fm_status status = FM_OK;
    int64_t most = is_running(r);
    for (int k = 0; k < input_count; k++) most += fm_dataset_about(inputs[k].prepared)->count;
    r->samples = fm_arena_allocate(&r->arena, (size_t)most * sizeof *r->samples + 1);
    if (!r->samples) return FM_ERROR_MEMORY;
    if (is_running(r)) {
        status = read_running_text(r, &r->samples[0]);
        if (status == FM_OK) status = explain_sample(r, &r->samples[r->count++]);
    }
    for (int k = 0; k < input_count; k++) {
        int64_t count = fm_dataset_about(inputs[k].prepared)->count;
        for (int64_t i = 0; i < count && status == FM_OK; i++) {
            attended *a = &r->samples[r->count++];
            status = read_sample(r, &inputs[k], i, a);
            if (status == FM_OK) status = explain_sample(r, a);
        }
    }
    return status;
}

/* ---- figures --------------------------------------------------------------------------------- */

void attended_range(const attended *a, const fm_attention_map *map, int64_t *first, int64_t *count)
{
    bool by_token = map->keys == a->length && map->queries == a->length;
    *first = by_token ? a->first : 0;
    *count = by_token ? a->count : map->keys;
}

const char *attended_name(const attention_view *view, const attended *a, int64_t i, char buffer[32])
{
    enum { MOST = 28 }; /* bytes of a token, between marks */
    size_t size = 0;
    bool unknown;
    if (!a->tokens) {
        snprintf(buffer, 32, "%lld", (long long)i);
        return buffer;
    }
    const char *bytes = explain_token(view->saved, a->written, a->tokens, i, &size, &unknown);
    snprintf(buffer, 32, "%s%.*s%s", unknown ? UNKNOWN_BEGIN : "", size < MOST ? (int)size : MOST,
             bytes, unknown ? UNKNOWN_END : "");
    if (strcmp(buffer, " ") == 0) snprintf(buffer, 32, "\u2423");
    if (strcmp(buffer, "\n") == 0) snprintf(buffer, 32, "\u21b5");
    return buffer;
}

double attended_received(const attended *a, const fm_attention_map *map, int64_t head, int64_t i)
{
    int64_t first, count;
    double sum = 0;
    attended_range(a, map, &first, &count);
    bool all = count == map->keys; /* queries may be another sequence */
    int64_t begin = all ? 0 : first, end = all ? map->queries : first + count;
    for (int64_t q = begin; q < end; q++) {
        sum += map->weights[(head * map->queries + q) * map->keys + i];
    }
    return sum / (double)(end - begin);
}

/* Over how many keys a query spreads its weights: e to the mean of the rows' entropies. */
static double spread_of(const attended *a, const fm_attention_map *map, int64_t head)
{
    int64_t first, count;
    double entropy = 0;
    attended_range(a, map, &first, &count);
    int64_t queries = count == map->keys ? map->queries : count;
    for (int64_t q = first; q < first + queries; q++) {
        for (int64_t k = 0; k < map->keys; k++) {
            double w = map->weights[(head * map->queries + q) * map->keys + k];
            if (w > 0) entropy -= w * log(w) / (double)queries;
        }
    }
    return exp(entropy);
}

/* ---- telling --------------------------------------------------------------------------------- */

/* The text, each token in the color of the weight that it has. */
static fm_status print_tokens(const attention_view *view, const attended *a,
                              const fm_attention_map *map, int64_t head)
{
    double *received = fm_allocate_array(view->s->context, (size_t)map->keys, sizeof *received);
    if (!received) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < map->keys; i++) {
        bool shown = i >= a->first && i < a->first + a->count;
        received[i] = shown ? attended_received(a, map, head, i) : 0;
    }
    const fm_explanation of = {.map = received, .map_shape = FM_SHAPE(a->first + a->count)};
    const explained e = {.s = view->s,
                         .saved = view->saved,
                         .x = a->x,
                         .written = a->written,
                         .of = &of,
                         .count = 1};
    explain_text_print(&e);
    fm_release(view->s->context, received);
    return FM_OK;
}

static fm_status print_map(const attention_view *view, const attended *a,
                           const fm_attention_map *map)
{
    const terminal *t = &view->s->out;
    fm_status status = FM_OK;
    bool by_token = a->tokens && map->keys == a->length && map->queries == a->length;
    for (int64_t h = 0; h < map->heads && status == FM_OK; h++) {
        int64_t first, count;
        attended_range(a, map, &first, &count);
        printf("  %s%s%s head %lld: a query looks at %.1f of %lld keys%s\n", terminal_dim(t),
               map->layer, terminal_plain(t), (long long)h, spread_of(a, map, h), (long long)count,
               map->causal ? ", up to itself" : "");
        if (by_token) status = print_tokens(view, a, map, h);
    }
    return status;
}

static json_t *json_matrix(const fm_attention_map *map, int64_t head)
{
    json_t *rows = json_array();
    for (int64_t q = 0; q < map->queries; q++) {
        json_t *row = json_array();
        for (int64_t k = 0; k < map->keys; k++) {
            double w = map->weights[(head * map->queries + q) * map->keys + k];
            json_array_append_new(row, json_number(w));
        }
        json_array_append_new(rows, row);
    }
    return rows;
}

static void print_object(const attention_view *view, const attended *a)
{
    char name[32];
    json_t *maps = json_array();
    for (int i = 0; i < a->map_count; i++) {
        json_t *heads = json_array();
        for (int64_t h = 0; h < a->maps[i].heads; h++) {
            json_array_append_new(heads, json_matrix(&a->maps[i], h));
        }
        json_array_append_new(maps,
                              json_pack("{s:o, s:b, s:o}", "layer", json_text(a->maps[i].layer),
                                        "causal", a->maps[i].causal, "heads", heads));
    }
    json_t *object = json_pack("{s:s, s:o, s:o}", "event", "attention", "sample",
                               json_text(a->title), "maps", maps);
    if (a->tokens) {
        json_t *tokens = json_array();
        for (int64_t i = 0; i < a->length; i++) {
            json_array_append_new(tokens, json_text(attended_name(view, a, i, name)));
        }
        json_object_set_new(object, "tokens", tokens);
        json_object_set_new(object, "first", json_integer(a->first));
        json_object_set_new(object, "count", json_integer(a->count));
    }
    json_print(object);
}

static fm_status tell(const attention_view *view)
{
    fm_status status = FM_OK;
    for (int64_t i = 0; i < view->count && status == FM_OK; i++) {
        const attended *a = &view->samples[i];
        if (view->s->given->json) {
            print_object(view, a);
            continue;
        }
        printf("%s\n", a->title);
        for (int k = 0; k < a->map_count && status == FM_OK; k++) {
            status = print_map(view, a, &a->maps[k]);
        }
    }
    return status;
}

static bool is_page(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && (strcmp(dot, ".html") == 0 || strcmp(dot, ".htm") == 0);
}

static fm_status write_view(const attention_view *view)
{
    const arguments *given = view->s->given;
    bool texts = view->count > 0 && view->samples[0].tokens;
    const char *out = given->out ? given->out : texts ? NULL : "attention.png";
    if (!out) return FM_OK;
    fm_status status = is_page(out) ? attention_page_write(view, given->positional.items[0], out)
                                    : attention_sheet_write(view, out);
    if (status == FM_OK && !given->quiet) fprintf(stderr, "written: %s\n", out);
    return status;
}

fm_status explain_by_attention(invocation *s, saved_model *saved, const predict_input *inputs,
                               int input_count)
{
    attention_run r = {.s = s, .saved = saved, .arena = {.context = s->context}};
    fm_status status = fm_explainer_create(saved->model, NULL, &r.explainer);
    if (status == FM_OK) status = explain_inputs(&r, inputs, input_count);
    const attention_view view = {s, saved, r.samples, r.count};
    if (status == FM_OK) status = tell(&view);
    if (status == FM_OK) status = write_view(&view);
    fm_explainer_destroy(r.explainer);
    fm_arena_release(&r.arena);
    return status;
}
