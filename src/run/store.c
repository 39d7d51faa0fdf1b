#include "run/store.h"
#include "base/memory.h"
#include "base/random.h"
#include "pass/layout.h"

#include <string.h>

fm_status fm_store_create(fm_context *context, uint64_t seed, fm_store **store)
{
    *store = fm_allocate_zeroed(context, sizeof **store);
    if (!*store) return fm_error_status(context);
    (*store)->context = context;
    (*store)->seed = seed;
    (*store)->by_path.context = context;
    (*store)->changes = 1;
    return FM_OK;
}

void fm_store_destroy(fm_store *store)
{
    if (!store) return;
    fm_context *context = store->context;
    for (size_t i = 0; i < store->count; i++) {
        fm_release(context, store->variables[i].path);
        fm_release(context, store->variables[i].data);
    }
    fm_release(context, store->variables);
    fm_map_release(&store->by_path);
    fm_release(context, store->workspace);
    fm_release(context, store);
}

/* The old one goes first: both may not fit into memory together. */
fm_status fm_store_reserve(fm_store *store, size_t bytes)
{
    if (store->workspace && store->workspace_bytes >= bytes) return FM_OK;
    fm_release(store->context, store->workspace);
    store->workspace = fm_allocate(store->context, bytes);
    store->workspace_bytes = store->workspace ? bytes : 0;
    return store->workspace ? FM_OK : FM_ERROR_MEMORY;
}

uint64_t fm_store_seed(const fm_store *store)
{
    return store->seed;
}

void fm_store_set_seed(fm_store *store, uint64_t seed)
{
    store->seed = seed;
}

uint64_t fm_store_step(const fm_store *store)
{
    return store->step;
}

void fm_store_set_step(fm_store *store, uint64_t step)
{
    store->step = step;
}

int fm_store_count(const fm_store *store)
{
    return (int)store->count;
}

fm_variable_info fm_store_info(const fm_store *store, int index)
{
    if (index < 0 || (size_t)index >= store->count) return (fm_variable_info){0};
    const fm_stored_variable *variable = &store->variables[index];
    return (fm_variable_info){.path = variable->path,
                              .dtype = variable->dtype,
                              .shape = variable->shape,
                              .trainable = variable->trainable};
}

int fm_store_find(const fm_store *store, const char *path)
{
    uint32_t index;
    return fm_map_get(&store->by_path, path, &index) ? (int)index : -1;
}

static fm_status check_index(fm_store *store, int index)
{
    if (index >= 0 && (size_t)index < store->count) return FM_OK;
    return fm_fail(store->context, FM_ERROR_ARGUMENT, "the store has no variable %d: it holds %zu",
                   index, store->count);
}

fm_status fm_store_read(fm_store *store, int index, void *elements)
{
    fm_status status = check_index(store, index);
    if (status != FM_OK) return status;
    const fm_stored_variable *variable = &store->variables[index];
    if (variable->layout.type) {
        int threads = fm_context_threads(store->context);
        variable->layout.type->unpack(&variable->layout, variable->data, elements, threads);
    } else {
        memcpy(elements, variable->data, variable->bytes);
    }
    return FM_OK;
}

fm_status fm_store_write(fm_store *store, int index, const void *elements)
{
    fm_status status = check_index(store, index);
    if (status != FM_OK) return status;
    fm_stored_variable *variable = &store->variables[index];
    store->changes++;
    if (variable->layout.type) {
        int threads = fm_context_threads(store->context);
        variable->layout.type->pack(&variable->layout, elements, variable->data, threads);
    } else {
        memcpy(variable->data, elements, variable->bytes);
    }
    return FM_OK;
}

/* Checks a variable that exists against what is asked for now. */
static fm_status check_equal(fm_store *store, const fm_stored_variable *had, fm_dtype dtype,
                             fm_shape shape)
{
    if (had->dtype == dtype && fm_shape_equal(had->shape, shape)) return FM_OK;
    char first[FM_SHAPE_TEXT], second[FM_SHAPE_TEXT];
    return fm_fail(store->context, FM_ERROR_SHAPE,
                   "the variable '%s' is stored as %s %s, the model wants %s %s", had->path,
                   fm_dtype_name(had->dtype), fm_shape_text(had->shape, first),
                   fm_dtype_name(dtype), fm_shape_text(shape, second));
}

/* UNWRITTEN: the caller writes every element. */
typedef enum first_content { ZEROS, UNWRITTEN } first_content;

static fm_status add_variable(fm_store *store, const char *path, fm_dtype dtype, fm_shape shape,
                              bool trainable, first_content content, uint32_t *index)
{
    fm_context *context = store->context;
    int64_t bytes = fm_shape_bytes(shape, dtype);
    if (bytes < 0) {
        char text[FM_SHAPE_TEXT];
        return fm_fail(context, FM_ERROR_SHAPE, "the variable '%s' cannot have the shape %s", path,
                       fm_shape_text(shape, text));
    }
    fm_status status = fm_grow(context, &store->variables, &store->capacity, store->count + 1,
                               sizeof *store->variables);
    if (status != FM_OK) return status;
    fm_stored_variable variable = {
        .dtype = dtype, .shape = shape, .trainable = trainable, .bytes = (size_t)bytes};
    variable.path = fm_copy_string(context, path);
    variable.data = content == ZEROS ? fm_allocate_zeroed(context, variable.bytes)
                                     : fm_allocate(context, variable.bytes);
    status = variable.path && variable.data
                 ? fm_map_set(&store->by_path, path, (uint32_t)store->count)
                 : FM_ERROR_MEMORY;
    if (status != FM_OK) {
        fm_release(context, variable.path);
        fm_release(context, variable.data);
        return status;
    }
    *index = (uint32_t)store->count;
    store->variables[store->count++] = variable;
    return FM_OK;
}

/* The last variable is taken back: its initialiser failed. */
static void drop_last(fm_store *store)
{
    fm_stored_variable *variable = &store->variables[--store->count];
    fm_release(store->context, variable->path);
    fm_release(store->context, variable->data);
    fm_map_forget_last(&store->by_path);
}

fm_status fm_store_put(fm_store *store, const char *path, fm_dtype dtype, fm_shape shape,
                       bool trainable, const void *elements)
{
    uint32_t index;
    fm_status status;
    if (fm_map_get(&store->by_path, path, &index)) {
        status = check_equal(store, &store->variables[index], dtype, shape);
    } else {
        status = add_variable(store, path, dtype, shape, trainable, UNWRITTEN, &index);
    }
    return status == FM_OK ? fm_store_write(store, (int)index, elements) : status;
}

fm_status fm_store_require(fm_store *store, const char *path, fm_dtype dtype, fm_shape shape,
                           const fm_variable_options *options, uint32_t *index)
{
    if (fm_map_get(&store->by_path, path, index)) {
        fm_stored_variable *had = &store->variables[*index];
        had->trainable = !options->not_trainable; /* a file does not say */
        return check_equal(store, had, dtype, shape);
    }
    fm_status status =
        add_variable(store, path, dtype, shape, !options->not_trainable, ZEROS, index);
    const fm_initializer *initializer = &options->initializer;
    if (status != FM_OK || !initializer->fill) return status;
    status = initializer->fill(store->context, initializer, dtype, shape, store->seed,
                               fm_stream_of(path), store->variables[*index].data);
    if (status == FM_OK) return FM_OK;
    drop_last(store);
    return fm_fail_prefix(store->context, "variable '%s': ", path);
}

/* Packed memory is zeroed: layouts have gaps. Only from one layout to another it goes by a copy. */
fm_status fm_store_relayout(fm_store *store, uint32_t index, const fm_layout *layout)
{
    fm_stored_variable *variable = &store->variables[index];
    if (fm_layout_equal(&variable->layout, layout)) return FM_OK;
    const int threads = fm_context_threads(store->context);
    const bool by_copy = variable->layout.type && layout->type;
    size_t plain_bytes = (size_t)fm_shape_bytes(variable->shape, variable->dtype);
    size_t bytes = layout->type ? layout->type->bytes(layout) : plain_bytes;
    void *copy = by_copy ? fm_allocate(store->context, plain_bytes) : NULL;
    void *moved = fm_allocate_zeroed(store->context, bytes);
    if ((by_copy && !copy) || !moved) {
        fm_release(store->context, copy);
        fm_release(store->context, moved);
        return FM_ERROR_MEMORY;
    }
    void *plain = by_copy ? copy : layout->type ? variable->data : moved;
    if (variable->layout.type) {
        variable->layout.type->unpack(&variable->layout, variable->data, plain, threads);
    }
    if (layout->type) layout->type->pack(layout, plain, moved, threads);
    fm_release(store->context, copy);
    fm_release(store->context, variable->data);
    variable->data = moved;
    variable->bytes = bytes;
    variable->layout = *layout;
    store->changes++;
    return FM_OK;
}
