/* Recurrent layers: variables, states, directions. */
#include "base/element.h"
#include "nn/activation.h"
#include "nn/recurrent_layer.h"
#include "ir/ir.h"
#include "op/op_table.h"
#include "op/op_tools.h"

typedef fm_recurrent_options options_of;

static const fm_recurrent_kind simple_rnn_kind = {"simple_rnn", 1, false};
static const fm_recurrent_kind lstm_kind = {"lstm", 4, true};
static const fm_recurrent_kind gru_kind = {"gru", 3, false};

/* ---- activations ----------------------------------------------------------------------------- */

/* fm_activation's names with another zero, and behind them `linear`, which that zero was. */
#define NAME(name, doc, build) #name,
static const char *const activation_choices[] = {"tanh", FM_OTHER_ACTIVATIONS(NAME) "linear", NULL};
static const char *const gate_choices[] = {"sigmoid", FM_OTHER_ACTIVATIONS(NAME) "linear", NULL};

static int activation_or(int asked, int usual)
{
    return asked == 0 ? usual : asked >= FM_ACTIVATION_NAMES ? FM_LINEAR : asked;
}

/* The op's number of an activation, -1 without one. */
static int cell_activation(int activation)
{
    switch (activation) {
    case FM_TANH:
        return FM_CELL_TANH;
    case FM_RELU:
        return FM_CELL_RELU;
    case FM_SIGMOID:
        return FM_CELL_SIGMOID;
    case FM_LINEAR:
    case FM_IDENTITY:
        return FM_CELL_LINEAR;
    default:
        return -1;
    }
}

static int gate_activation(int activation)
{
    return activation == FM_SIGMOID        ? FM_GATE_SIGMOID
           : activation == FM_HARD_SIGMOID ? FM_GATE_HARD_SIGMOID
                                           : -1;
}

/* ---- the sequence as one op, or step by step ------------------------------------------------- */

static fm_val whole_sequence(fm_recurrent_run *r)
{
    fm_graph *g = r->g;
    fm_val x = r->x, kernel = r->recurrent_kernel;
    if (r->kind->has_cell) {
        return fm_lstm_sequence(g, x, kernel, r->state, r->cell, &r->recurrence, &r->state,
                                &r->cell);
    }
    if (r->kind->gates == 3) {
        return fm_gru_sequence(g, x, kernel, r->state, &r->recurrence, &r->state);
    }
    return fm_simple_rnn_sequence(g, x, kernel, r->state, &r->recurrence, &r->state);
}

static fm_val read_sequence(fm_recurrent_run *r)
{
    const options_of *o = r->options;
    int activation = activation_or(o->activation, FM_TANH);
    int gates = activation_or(o->recurrent_activation, FM_SIGMOID);
    if (activation == FM_PRELU || gates == FM_PRELU) {
        return fm_graph_fail(r->g, FM_ERROR_UNSUPPORTED,
                             "prelu has a variable of its own; a recurrent layer takes activations "
                             "without one, like leaky_relu");
    }
    r->activation = activation;
    r->gate_activation = gates;
    r->recurrence.activation = cell_activation(activation);
    r->recurrence.gate_activation = gate_activation(gates);
    bool whole = r->recurrence.activation >= 0 && r->recurrence.gate_activation >= 0 &&
                 !o->layer_normalization;
    return whole ? whole_sequence(r) : fm_recurrent_step_by_step(r);
}

/* ---- variables ------------------------------------------------------------------------------- */

/* Zeros, and ones for the second of four blocks. */
static fm_status fill_forget_bias(fm_context *context, const fm_initializer *self, fm_dtype dtype,
                                  fm_shape shape, uint64_t seed, uint32_t stream, void *elements)
{
    (void)context, (void)self, (void)seed, (void)stream;
    int64_t units = shape.dims[0] / 4;
    for (int64_t i = 0; i < shape.dims[0]; i++) {
        fm_element_put(elements, dtype, (size_t)i, i / units == 1);
    }
    return FM_OK;
}

static fm_val weight(fm_recurrent_run *r, const char *name, fm_shape shape,
                     const fm_initializer *asked, fm_initializer usual, double l1, double l2)
{
    bool is_new;
    fm_val made =
        fm_parameter(r->g, name, shape, fm_initializer_choose(r->g, asked, usual), &is_new);
    if (is_new) fm_penalize(r->g, made, l1, l2);
    return made;
}

static bool reset_after(const fm_recurrent_run *r)
{
    return r->kind == &gru_kind && !r->options->reset_before;
}

/* x kernel + bias, and the recurrent bias where there is one. */
static void add_bias(fm_recurrent_run *r, int64_t columns)
{
    const options_of *o = r->options;
    fm_graph *g = r->g;
    fm_initializer usual = fm_zeros();
    if (o->no_bias) return;
    if (!reset_after(r)) {
        if (r->kind == &lstm_kind && !o->no_unit_forget_bias) {
            usual = (fm_initializer){.name = "unit_forget_bias", .fill = fill_forget_bias};
        }
        r->x = fm_add(g, r->x,
                      weight(r, "bias", FM_SHAPE(columns), &o->bias_initializer, usual, 0, 0));
        return;
    }
    fm_val both = weight(r, "bias", FM_SHAPE(2, columns), &o->bias_initializer, usual, 0, 0);
    fm_val rows[2];
    for (int i = 0; i < 2; i++) {
        rows[i] = fm_reshape_to(g, fm_slice(g, both, 0, i, i + 1), FM_SHAPE(columns));
    }
    r->x = fm_add(g, r->x, rows[0]);
    r->recurrence.recurrent_bias = rows[1];
}

static fm_recurrent_norm norm_of(fm_recurrent_run *r, const char *scope, int64_t count)
{
    fm_graph *g = r->g;
    if (!r->options->layer_normalization) return (fm_recurrent_norm){0};
    fm_scope_enter(g, scope);
    fm_recurrent_norm norm = {fm_parameter(g, "gamma", FM_SHAPE(count), fm_ones(), NULL),
                              fm_parameter(g, "beta", FM_SHAPE(count), fm_zeros(), NULL)};
    fm_scope_leave(g);
    return norm;
}

/* Steps that were looked up in a table (an embedding) with fewer rows than there are steps: the
 * table, so that its rows are multiplied once and then looked up. *indices is {0} where it is
 * nothing like that. */
static fm_val table_behind(const fm_graph *g, fm_val x, fm_val *indices)
{
    *indices = (fm_val){0};
    const fm_value *value = fm_value_of(g, x);
    if (!x.id || value->kind != FM_TEMPORARY) return x;
    const fm_node *node = &g->nodes[value->producer];
    if (node->op != &fm_op_gather) return x;
    fm_shape table = fm_val_shape(g, node->inputs[0]);
    if (table.rank != 2 || table.dims[0] >= value->shape.dims[0] * value->shape.dims[1]) return x;
    *indices = node->inputs[1];
    return node->inputs[0];
}

/* The variables, and x (batch, time, features) multiplied. */
static void take_input(fm_recurrent_run *r, fm_val x)
{
    const options_of *o = r->options;
    fm_graph *g = r->g;
    fm_shape shape = fm_val_shape(g, x);
    int64_t features = shape.dims[2], columns = r->kind->gates * r->units;
    fm_val kernel = weight(r, "kernel", FM_SHAPE(features, columns), &o->kernel_initializer,
                           fm_glorot_uniform(), o->kernel_l1, o->kernel_l2);
    r->recurrent_kernel =
        weight(r, "recurrent_kernel", FM_SHAPE(r->width, columns), &o->recurrent_initializer,
               fm_orthogonal(1), o->recurrent_l1, o->recurrent_l2);
    if (o->projection) {
        r->recurrence.projection =
            weight(r, "projection_kernel", FM_SHAPE(r->units, r->width), &o->kernel_initializer,
                   fm_glorot_uniform(), o->recurrent_l1, o->recurrent_l2);
    }
    if (o->peepholes) {
        r->recurrence.peephole =
            fm_parameter(g, "peephole", FM_SHAPE(3, r->units), fm_zeros(), NULL);
    }
    bool drops = fm_graph_mode(g) == FM_TRAIN;
    if (drops && o->dropout > 0) {
        fm_val ones = fm_full(g, FM_SHAPE(r->batch, 1, features), 1);
        x = fm_mul(g, x, fm_drop(g, ones, o->dropout));
    }
    if (drops && o->recurrent_dropout > 0) {
        fm_val ones = fm_full(g, FM_SHAPE(r->batch, r->width), 1);
        r->recurrence.recurrent_scale = fm_drop(g, ones, o->recurrent_dropout);
    }
    r->recurrence.reset_after = reset_after(r);
    r->recurrent_norm = norm_of(r, "recurrent_normalization", columns);
    r->cell_norm = norm_of(r, "cell_normalization", r->units);
    fm_recurrent_norm input_norm = norm_of(r, "input_normalization", columns);
    fm_val indices;
    x = table_behind(g, x, &indices);
    /* as rows, product and bias become one op */
    r->x = fm_recurrent_normalize(g, fm_matmul(g, fm_rows_of(g, x), kernel), &input_norm);
    add_bias(r, columns);
    if (indices.id) r->x = fm_gather(g, r->x, indices);
    r->x = fm_reshape_to(g, r->x, FM_SHAPE(r->batch, r->time, columns));
}

/* ---- states ---------------------------------------------------------------------------------- */

static bool is_carried(const fm_recurrent_run *r)
{
    return r->options->stateful || fm_graph_stream_length(r->g) > 0;
}

/* Where a state begins: what is given, what the last run left, or zeros. */
static fm_val beginning(const fm_recurrent_run *r, const char *name, int64_t n, fm_val given)
{
    fm_shape shape = FM_SHAPE(r->batch, n);
    if (given.id) return given;
    if (!is_carried(r)) return fm_full(r->g, shape, 0);
    return fm_variable(r->g, name, fm_graph_dtype(r->g), shape,
                       &(fm_variable_options){.carried = true});
}

/* One direction: r has sizes, initial states or {0}, mask and reverse. */
static fm_val read_direction(fm_recurrent_run *r, fm_val x)
{
    take_input(r, x);
    fm_val state = beginning(r, "state", r->width, r->state), cell = {0};
    if (r->kind->has_cell) cell = beginning(r, "cell", r->units, r->cell);
    r->state = state;
    r->cell = cell;
    fm_val y = read_sequence(r);
    if (!is_carried(r) || !y.id) return y;
    fm_update(r->g, state, r->state);
    if (cell.id) fm_update(r->g, cell, r->cell);
    return y;
}

/* ---- both directions ------------------------------------------------------------------------- */

typedef struct layer_call {
    fm_graph *g;
    const options_of *o;
    fm_val x;
    fm_recurrent_run run; /* sizes, mask, kind; the runs of both directions are copies */
    fm_val state, cell;   /* of both directions, columns side by side; {0}: the usual */
} layer_call;

static fm_val half_of(const layer_call *c, fm_val both, int half, int64_t n)
{
    return both.id && c->o->bidirectional ? fm_slice(c->g, both, 1, half * n, (half + 1) * n)
                                          : both;
}

static fm_val side_by_side(const layer_call *c, fm_val a, fm_val b)
{
    return b.id ? fm_concat(c->g, (fm_val[]){a, b}, 2, 1) : a;
}

static fm_val merge(const layer_call *c, fm_val a, fm_val b)
{
    fm_graph *g = c->g;
    switch ((fm_bidirectional_merge)c->o->merge_mode) {
    case FM_BIDIRECTIONAL_SUM:
        return fm_add(g, a, b);
    case FM_BIDIRECTIONAL_MUL:
        return fm_mul(g, a, b);
    case FM_BIDIRECTIONAL_AVE:
        return fm_mul_scalar(g, fm_add(g, a, b), 0.5);
    default:
        return fm_concat(g, (fm_val[]){a, b}, 2, -1);
    }
}

/* y of one direction or of two merged; the states' columns side by side. */
static fm_val read_both(layer_call *c, fm_val *last)
{
    fm_val y[2] = {{0}, {0}}, state[2] = {{0}, {0}}, cell[2] = {{0}, {0}};
    int directions = c->o->bidirectional ? 2 : 1;
    for (int i = 0; i < directions; i++) {
        fm_recurrent_run run = c->run;
        run.recurrence.reverse = c->o->go_backwards || i == 1;
        run.state = half_of(c, c->state, i, run.width);
        run.cell = half_of(c, c->cell, i, run.units);
        if (directions == 2) fm_scope_enter(c->g, i ? "backward" : "forward");
        y[i] = read_direction(&run, c->x);
        if (directions == 2) fm_scope_leave(c->g);
        state[i] = run.state;
        cell[i] = run.cell;
    }
    c->state = side_by_side(c, state[0], state[1]);
    c->cell = side_by_side(c, cell[0], cell[1]);
    *last = directions == 2 ? merge(c, state[0], state[1]) : state[0];
    return directions == 2 ? merge(c, y[0], y[1]) : y[0];
}

/* A sequence (batch, time, ...) from its end. */
static fm_val turned(fm_graph *g, fm_val v)
{
    if (!v.id) return v;
    int64_t count = fm_val_shape(g, v).dims[1];
    int32_t *positions = fm_allocate_array(g->context, (size_t)count + 1, sizeof *positions);
    if (!positions) return fm_graph_fail_context(g);
    for (int64_t i = 0; i < count; i++) positions[i] = (int32_t)(count - 1 - i);
    v = fm_take(g, v, 1, positions, count);
    fm_release(g->context, positions);
    return v;
}

static fm_val finish_sequence(const layer_call *c, fm_val y)
{
    fm_graph *g = c->g;
    fm_val mask = c->run.recurrence.mask;
    if (!y.id) return y;
    if (mask.id && c->o->zero_output_for_mask) {
        y = fm_mul(g, y, fm_mask_spread(g, mask, fm_val_shape(g, y).rank));
    }
    if (!c->o->go_backwards) return y;
    y = turned(g, y);
    fm_mask_set(g, y, turned(g, mask));
    return y;
}

/* ---- what does not fit ----------------------------------------------------------------------- */

static bool is_recurrent(const char *kind)
{
    return strcmp(kind, simple_rnn_kind.name) == 0 || strcmp(kind, lstm_kind.name) == 0 ||
           strcmp(kind, gru_kind.name) == 0;
}

/* The scope of the last recurrent layer that gave one state instead of a sequence, or NULL. */
static const char *layer_without_sequences(const fm_graph *g)
{
    for (size_t i = g->layer_count; i-- > 0;) {
        const fm_layer_note *note = &g->layers[i];
        if (!is_recurrent(note->kind)) continue;
        return fm_val_shape(g, note->output).rank == 2 ? note->scope : NULL;
    }
    return NULL;
}

static bool check_input(fm_graph *g, fm_val x)
{
    char text[FM_SHAPE_TEXT];
    fm_shape shape = fm_val_shape(g, x);
    if (!fm_dtype_is_real(fm_val_dtype(g, x))) {
        fm_graph_fail(g, FM_ERROR_SHAPE,
                      "the input must be numbers (batch, time, features), received %s %s; tokens "
                      "go through an embedding first",
                      fm_dtype_name(fm_val_dtype(g, x)), fm_shape_text(shape, text));
        return false;
    }
    if (shape.rank == 3) return true;
    const char *above = shape.rank == 2 ? layer_without_sequences(g) : NULL;
    if (above) {
        fm_graph_fail(g, FM_ERROR_SHAPE,
                      "the input must be (batch, time, features), received %s: the layer %s above "
                      "gives only the state behind its last step; set return_sequences: true there",
                      fm_shape_text(shape, text), above);
    } else {
        fm_graph_fail(g, FM_ERROR_SHAPE, "the input must be (batch, time, features), received %s",
                      fm_shape_text(shape, text));
    }
    return false;
}

/* Options that belong to another cell; a recipe's fields do not have them. */
static const char *foreign_option(const options_of *o, const fm_recurrent_kind *kind)
{
    bool of_lstm =
        o->peepholes || o->projection || o->layer_normalization || o->no_unit_forget_bias;
    if (of_lstm && kind != &lstm_kind) {
        return "peepholes, projection, layer_normalization and unit_forget_bias are an LSTM's";
    }
    if (o->reset_before && kind != &gru_kind) return "only a GRU has a reset gate";
    if (o->recurrent_activation && kind == &simple_rnn_kind) {
        return "a simple RNN has no gates, so no recurrent_activation";
    }
    return NULL;
}

/* Options that exclude each other. */
static const char *contradiction(const fm_graph *g, const options_of *o, bool given)
{
    bool streams = fm_graph_stream_length(g) > 0;
    if (o->bidirectional && o->go_backwards) {
        return "bidirectional reads in both directions already; leave out go_backwards";
    }
    if (o->merge_mode && !o->bidirectional) return "merge_mode is for bidirectional: true";
    if (streams && given) return "in a stream the state is carried; it cannot be given as well";
    if (o->stateful && given) return "stateful carries the state; it cannot be given as well";
    return NULL;
}

/* ---- initial states -------------------------------------------------------------------------- */

/* The first that is not {0}. */
static fm_val first_of(fm_val a, fm_val b)
{
    return a.id ? a : b;
}

static const char *next_state(const void *graph, int i)
{
    const fm_graph *g = graph;
    return (size_t)i < g->state_count ? g->states[i].scope : NULL;
}

/* Those of the layer whose scope is `name`. */
static bool states_of(fm_graph *g, const char *name, fm_val *state, fm_val *cell)
{
    for (size_t i = g->state_count; i-- > 0;) {
        if (strcmp(g->states[i].scope, name) != 0) continue;
        *state = g->states[i].state;
        *cell = g->states[i].cell;
        return true;
    }
    const char *near = fm_nearest(name, next_state, g);
    fm_graph_fail(g, FM_ERROR_ARGUMENT,
                  "initial_state: there is no recurrent layer '%s' above%s%s%s", name,
                  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return false;
}

static bool check_state(const layer_call *c, const char *name, fm_val state, int64_t n)
{
    fm_shape wanted = FM_SHAPE(c->run.batch, c->o->bidirectional ? 2 * n : n);
    fm_shape received = fm_val_shape(c->g, state);
    if (!state.id || fm_shape_equal(wanted, received)) return true;
    char a[FM_SHAPE_TEXT], b[FM_SHAPE_TEXT];
    fm_graph_fail(c->g, FM_ERROR_SHAPE, "the %s must be %s, received %s", name,
                  fm_shape_text(wanted, a), fm_shape_text(received, b));
    return false;
}

/* From the layer's inputs, its options, or another layer. */
static bool take_states(layer_call *c, const fm_val *inputs, int count)
{
    const options_of *o = c->o;
    const fm_recurrent_kind *kind = c->run.kind;
    c->state = first_of(count > 1 ? inputs[1] : (fm_val){0}, o->initial_state);
    c->cell = first_of(count > 2 ? inputs[2] : (fm_val){0}, o->initial_cell);
    if (o->initial_state_of && *o->initial_state_of &&
        !states_of(c->g, o->initial_state_of, &c->state, &c->cell)) {
        return false;
    }
    const char *words = foreign_option(o, kind);
    if (!words) words = contradiction(c->g, o, c->state.id || c->cell.id);
    if (!words && kind->has_cell && !c->state.id != !c->cell.id) {
        words = "an LSTM begins with a state and a cell; only one of them is given";
    }
    if (!words && !kind->has_cell && c->cell.id) words = "only an LSTM has a cell";
    if (words) {
        fm_graph_fail(c->g, FM_ERROR_ARGUMENT, "%s", words);
        return false;
    }
    if (fm_graph_stream_length(c->g) > 0 && (o->bidirectional || o->go_backwards)) {
        fm_graph_fail(c->g, FM_ERROR_UNSUPPORTED,
                      "a stream has only its past, and this layer "
                      "reads from the end of the sequence");
        return false;
    }
    return check_state(c, "initial state", c->state, c->run.width) &&
           check_state(c, "initial cell", c->cell, c->run.units);
}

/* The final states, for whoever asks. */
static void give_states(layer_call *c)
{
    fm_graph *g = c->g;
    if (c->o->final_state) *c->o->final_state = c->state;
    if (c->o->final_cell) *c->o->final_cell = c->cell;
    if (fm_grow(g->context, &g->states, &g->state_capacity, g->state_count + 1,
                sizeof *g->states) != FM_OK) {
        fm_graph_fail_context(g);
        return;
    }
    g->states[g->state_count++] =
        (fm_layer_state){.scope = fm_scope_path(g), .state = c->state, .cell = c->cell};
}

/* ---- the layers ------------------------------------------------------------------------------ */

static fm_val build_layer(fm_graph *g, const fm_val *inputs, int count, const options_of *o,
                          const fm_recurrent_kind *kind)
{
    if (!check_input(g, inputs[0])) return (fm_val){0};
    fm_shape shape = fm_val_shape(g, inputs[0]);
    layer_call call = {.g = g,
                       .o = o,
                       .x = inputs[0],
                       .run = {.g = g,
                               .options = o,
                               .kind = kind,
                               .batch = shape.dims[0],
                               .time = shape.dims[1],
                               .units = o->units,
                               .width = o->projection ? o->projection : o->units,
                               .recurrence = {.mask = fm_mask_of(g, inputs[0])}}};
    fm_val last = {0};
    if (!take_states(&call, inputs, count)) return last;
    fm_val y = read_both(&call, &last);
    if (!y.id) return y;
    give_states(&call);
    return o->return_sequences ? finish_sequence(&call, y) : last;
}

#define FIELD(member, kind, doc, ...) FM_FIELD(options_of, member, kind, doc, __VA_ARGS__)
#define FLAG(member, doc)             FIELD(member, FM_FIELD_BOOL, doc)
#define NOT(name_, member, doc_)                                                                   \
    {                                                                                              \
        .name = name_, .doc = doc_, .offset = offsetof(options_of, member), .type = FM_FIELD_NOT,  \
        .default_value = 1                                                                         \
    }
#define SHARE(member, doc)       FIELD(member, FM_FIELD_REAL, doc, .maximum = 0.999999)
#define PENALTY(member, doc)     FIELD(member, FM_FIELD_REAL, doc, .maximum = INFINITY)
#define INITIALIZER(member, doc) FM_INITIALIZER_FIELD(options_of, member, doc)

/* Four gates of two directions still fit into 64 bits. */
#define MOST_UNITS 1e9

#define FIRST_FIELDS                                                                               \
    FM_NAME_FIELD(options_of),                                                                     \
        FIELD(units, FM_FIELD_INT, "elements of the state", .required = true, .minimum = 1,        \
              .maximum = MOST_UNITS),                                                              \
        FIELD(activation, FM_FIELD_ENUM, "of candidates and outputs",                              \
              .choices = activation_choices)
#define GATE_FIELD FIELD(recurrent_activation, FM_FIELD_ENUM, "of gates", .choices = gate_choices)
#define COMMON_FIELDS                                                                              \
    FLAG(return_sequences, "the state of each step instead of the last one"),                      \
        FLAG(go_backwards, "from the last step to the first"),                                     \
        FLAG(bidirectional, "in both directions, with variables for each"),                        \
        FIELD(merge_mode, FM_FIELD_ENUM, "how both directions become one",                         \
              .choices = (const char *const[]){"concat", "sum", "mul", "ave", NULL}),              \
        FLAG(stateful, "a batch goes on where the last one ended"),                                \
        {.name = "initial_state",                                                                  \
         .doc = "a recurrent layer above, whose final states it begins with",                      \
         .offset = offsetof(options_of, initial_state_of),                                         \
         .type = FM_FIELD_STRING},                                                                 \
        FLAG(zero_output_for_mask, "sequences are zero at masked steps"),                          \
        SHARE(dropout, "of the input's features, the same at all steps"),                          \
        SHARE(recurrent_dropout, "of the state in the recurrent product"),                         \
        NOT("use_bias", no_bias, "add a bias"),                                                    \
        INITIALIZER(kernel_initializer, "how the kernel starts; default glorot_uniform"),          \
        INITIALIZER(recurrent_initializer, "how the recurrent kernel starts; default orthogonal"), \
        INITIALIZER(bias_initializer, "how the bias starts; default zeros"),                       \
        PENALTY(kernel_l1, "penalty on the sum of |kernel|"),                                      \
        PENALTY(kernel_l2, "penalty on the sum of kernel^2"),                                      \
        PENALTY(recurrent_l1, "penalty on the sum of |recurrent kernel|"),                         \
        PENALTY(recurrent_l2, "penalty on the sum of recurrent kernel^2")

static const fm_field simple_rnn_fields[] = {FIRST_FIELDS, COMMON_FIELDS, {.name = NULL}};
static const fm_field lstm_fields[] = {
    FIRST_FIELDS,
    GATE_FIELD,
    COMMON_FIELDS,
    NOT("unit_forget_bias", no_unit_forget_bias, "the forget gate's bias starts at 1"),
    FLAG(peepholes, "the gates see the cell"),
    FIELD(projection, FM_FIELD_INT, "elements of the state after a product; 0: units",
          .maximum = MOST_UNITS),
    FLAG(layer_normalization, "of both products and the cell"),
    {.name = NULL}};
static const fm_field gru_fields[] = {
    FIRST_FIELDS,
    GATE_FIELD,
    COMMON_FIELDS,
    NOT("reset_after", reset_before, "reset behind the product; false: before it, as in the paper"),
    {.name = NULL}};

/* What a layer that fails leaves. */
static void poison_states(const options_of *o)
{
    if (o && o->final_state) *o->final_state = (fm_val){0};
    if (o && o->final_cell) *o->final_cell = (fm_val){0};
}

#define LAYER(kind_, doc_, most_inputs)                                                            \
    static fm_val build_##kind_(fm_graph *g, const fm_val *inputs, int count, const void *o)       \
    {                                                                                              \
        return build_layer(g, inputs, count, o, &kind_##_kind);                                    \
    }                                                                                              \
    const fm_layer_record fm_layer_##kind_ = {.name = #kind_,                                      \
                                              .doc = doc_,                                         \
                                              .fields = kind_##_fields,                            \
                                              .options_size = sizeof(options_of),                  \
                                              .min_inputs = 1,                                     \
                                              .max_inputs = most_inputs,                           \
                                              .build = build_##kind_};                             \
    fm_val fm_##kind_##_with(fm_graph *g, fm_val x, const options_of *options)                     \
    {                                                                                              \
        poison_states(options);                                                                    \
        return fm_layer_build(g, &fm_layer_##kind_, &x, 1, options);                               \
    }
LAYER(simple_rnn, "h' = activation(x kernel + h recurrent_kernel + bias): Elman 1990", 2)
LAYER(lstm, "long short-term memory (Hochreiter, Schmidhuber 1997): Keras's, PyTorch's", 3)
LAYER(gru, "gated recurrent units (Cho et al. 2014): Keras's, PyTorch's, cuDNN's", 2)
