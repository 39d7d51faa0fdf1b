#include "cli/gradient_report.h"
#include "cli/json_lines.h"
#include "fathom/gradients.h"

#include <math.h>
#include <string.h>

/* ---- a table --------------------------------------------------------------------------------- */

enum { BAR_WIDTH = 20, NARROWEST_NAME = 5, WIDEST_NAME = 40 };

/* The bar's ends, as powers of ten: what is trained well lies between. */
static const double lowest = -8, highest = 4;

static int name_width(const fm_gradients *gradients)
{
    int width = NARROWEST_NAME;
    for (int i = 0; i < gradients->layer_count; i++) {
        int size = (int)strlen(gradients->layers[i].name);
        if (size > width) width = size;
    }
    return width < WIDEST_NAME ? width : WIDEST_NAME;
}

/* "kernel 1.23e-02  bias 4.56e-03" */
static void print_variables(const fm_gradients *gradients, const fm_gradient_layer *layer)
{
    if (layer->count < 2) return;
    for (int i = layer->first; i < layer->first + layer->count; i++) {
        const fm_gradient *row = &gradients->variables[i];
        const char *slash = strrchr(row->path, '/');
        printf("  %s %.2e", slash ? slash + 1 : row->path, row->norm);
    }
}

static void print_layer(const terminal *t, const fm_gradients *gradients,
                        const fm_gradient_layer *layer, int width)
{
    char bar[512];
    double power = layer->norm > 0 ? log10(layer->norm) : lowest;
    terminal_bar(t, (power - lowest) / (highest - lowest), BAR_WIDTH, bar, sizeof bar);
    printf("  %-*s  %9.2e  %9.2e  %s", width, layer->name, layer->norm, layer->weight_norm, bar);
    if (layer->state != FM_GRADIENT_SOUND) {
        printf("  %s%s%s", terminal_red(t), fm_gradient_state_name(layer->state),
               terminal_plain(t));
    }
    print_variables(gradients, layer);
    putchar('\n');
}

static void print_table(invocation *s, const fm_event *event)
{
    const fm_gradients *gradients = event->gradients;
    const terminal *t = &s->out;
    int width = name_width(gradients);
    terminal_wipe(&s->err);
    printf("%sgradients of step %llu, epoch %lld: norm %.3e, loss %.4g%s\n", terminal_bold(t),
           (unsigned long long)gradients->step + 1, (long long)event->epoch + 1, gradients->norm,
           gradients->loss, terminal_plain(t));
    printf("%s  %-*s  %9s  %9s  1e%.0f%*s1e%.0f%s\n", terminal_dim(t), width, "layer", "gradient",
           "weights", lowest, BAR_WIDTH - 7, "", highest, terminal_plain(t));
    for (int i = 0; i < gradients->layer_count; i++) {
        print_layer(t, gradients, &gradients->layers[i], width);
    }
    fflush(stdout);
}

/* ---- an event -------------------------------------------------------------------------------- */

static json_t *json_variables(const fm_gradients *gradients, const fm_gradient_layer *layer)
{
    json_t *list = json_array();
    for (int i = layer->first; i < layer->first + layer->count; i++) {
        const fm_gradient *row = &gradients->variables[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:o, s:o, s:o}", "path", row->path, "elements",
                                        (json_int_t)row->elements, "norm", json_number(row->norm),
                                        "largest", json_number(row->largest), "weight_norm",
                                        json_number(row->weight_norm)));
    }
    return list;
}

static void print_event(const fm_event *event)
{
    const fm_gradients *gradients = event->gradients;
    json_t *layers = json_array();
    for (int i = 0; i < gradients->layer_count; i++) {
        const fm_gradient_layer *layer = &gradients->layers[i];
        json_array_append_new(layers, json_pack("{s:s, s:s, s:o, s:o, s:o}", "layer", layer->name,
                                                "state", fm_gradient_state_name(layer->state),
                                                "norm", json_number(layer->norm), "weight_norm",
                                                json_number(layer->weight_norm), "variables",
                                                json_variables(gradients, layer)));
    }
    json_print(json_pack("{s:s, s:I, s:I, s:o, s:o, s:o}", "event", "gradients", "epoch",
                         (json_int_t)event->epoch + 1, "step", (json_int_t)gradients->step + 1,
                         "loss", json_number(gradients->loss), "norm", json_number(gradients->norm),
                         "layers", layers));
}

static fm_status at_batch_end(void *user, fm_event *event)
{
    invocation *s = user;
    if (!event->gradients) return FM_OK;
    if (s->given->json) {
        print_event(event);
    } else {
        print_table(s, event);
    }
    return FM_OK;
}

fm_callback gradient_report_callback(invocation *s)
{
    return (fm_callback){.name = "gradient_report", .user = s, .batch_end = at_batch_end};
}
