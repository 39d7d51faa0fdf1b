/* The zoo's table and its one entrance. */
#include "nn/zoo/zoo_blocks.h"

static const fm_zoo_record *const families[] = {
    fm_zoo_lenet,     fm_zoo_alexnet,      fm_zoo_vgg,           fm_zoo_googlenet,
    fm_zoo_resnet,    fm_zoo_cifar_resnet, fm_zoo_preact_resnet, fm_zoo_drn,
    fm_zoo_mobilenet, fm_zoo_densenet,     fm_zoo_squeezenet,    fm_zoo_unet,
};
enum { FAMILIES = sizeof families / sizeof families[0] };

const fm_zoo_record *fm_zoo_at(int i)
{
    for (int family = 0; family < FAMILIES && i >= 0; family++) {
        for (const fm_zoo_record *record = families[family]; record->name; record++) {
            if (i-- == 0) return record;
        }
    }
    return NULL;
}

const fm_zoo_record *fm_zoo_find(const char *name)
{
    const fm_zoo_record *record;
    for (int i = 0; (record = fm_zoo_at(i)); i++) {
        if (strcmp(record->name, name) == 0) return record;
    }
    return NULL;
}

static const char *next_name(const void *list, int i)
{
    (void)list;
    const fm_zoo_record *record = fm_zoo_at(i);
    return record ? record->name : NULL;
}

static fm_val with_channels(fm_graph *g, fm_val x)
{
    fm_shape shape = fm_val_shape(g, x);
    if (shape.rank != 3) return x;
    shape.dims[shape.rank++] = 1;
    return fm_reshape_to(g, x, shape);
}

fm_val fm_zoo_with(fm_graph *g, const char *name, fm_val x, const fm_zoo_options *options)
{
    fm_context *context = fm_graph_context(g);
    fm_zoo_options o = options ? *options : (fm_zoo_options){0};
    const fm_zoo_record *record = fm_zoo_find(name);
    if (fm_graph_status(g) != FM_OK || !x.id) return (fm_val){0};
    if (!record) {
        const char *near = fm_nearest(name, next_name, NULL);
        return fm_graph_fail(g, FM_ERROR_ARGUMENT, "the zoo has no '%s'%s%s%s", name,
                             near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    if (fm_fields_complete(context, record->fields, &o, record->name) != FM_OK) {
        return fm_graph_fail_context(g);
    }
    if (o.classes == 0) o.classes = record->classes;
    x = with_channels(g, x);
    fm_zoo_enter_body(g);
    fm_val logits = record->build(g, x, record, &o);
    fm_zoo_leave_body(g);
    return logits;
}
