/* Activations: from names to builders. */
#include "nn/activation.h"

#include "fathom/ops.h"

#include <string.h>

fm_val fm_linear_activation(fm_graph *g, fm_val x)
{
    (void)g;
    return x;
}

fm_val fm_leaky_relu_activation(fm_graph *g, fm_val x)
{
    return fm_leaky_relu(g, x, 0.2);
}

fm_val fm_elu_activation(fm_graph *g, fm_val x)
{
    return fm_elu(g, x, 1);
}

/* Written so that the derivative at 0 is alpha. */
fm_val fm_prelu_of(fm_graph *g, fm_val x, fm_val alpha)
{
    return fm_where(g, fm_step(g, x), x, fm_mul(g, x, alpha));
}

fm_val fm_prelu_activation(fm_graph *g, fm_val x)
{
    fm_shape shape = fm_val_shape(g, x);
    if (shape.rank < 2) {
        return fm_graph_fail(g, FM_ERROR_SHAPE,
                             "prelu: the input must be (batch, ..., features), received %s",
                             fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    }
    fm_scope_enter_fresh(g, "prelu");
    fm_val alpha =
        fm_variable(g, "alpha", fm_val_dtype(g, x), FM_SHAPE(shape.dims[shape.rank - 1]),
                    &(fm_variable_options){.initializer = fm_constant_initializer(0.25)});
    fm_val y = fm_prelu_of(g, x, alpha);
    fm_scope_leave(g);
    return y;
}

#define RECORD(name, doc, build) {#name, doc, build},
static const fm_activation_record records[] = {FM_ACTIVATIONS(RECORD)};

#define NAME(name, doc, build) #name,
const char *const fm_activation_choices[] = {FM_ACTIVATIONS(NAME) NULL};

_Static_assert(sizeof records / sizeof records[0] == FM_ACTIVATION_NAMES,
               "the list of activations follows the enum");

const fm_activation_record *fm_activation_at(int i)
{
    return i >= 0 && i < FM_ACTIVATION_NAMES ? &records[i] : NULL;
}

const fm_activation_record *fm_activation_find(const char *name)
{
    for (int i = 0; i < FM_ACTIVATION_NAMES; i++) {
        if (strcmp(records[i].name, name) == 0) return &records[i];
    }
    return NULL;
}

fm_val fm_activate(fm_graph *g, fm_val x, int activation)
{
    if (!x.id) return x;
    const fm_activation_record *record = fm_activation_at(activation);
    if (!record) {
        return fm_graph_fail(g, FM_ERROR_ARGUMENT, "there is no activation number %d", activation);
    }
    return record->build(g, x);
}
