/* fathom/backend.h: a backend is a list of kernels in order of preference.
 *
 * A kernel is prepared once and run many times. It may refuse a node, and says why; the portable
 * backend refuses nothing. Physical layouts are private to a backend: files and users see plain
 * row-major elements.
 *
 * May be NULL: those functions of a kernel and of a layout of which it is said.
 */
#ifndef FATHOM_BACKEND_H
#define FATHOM_BACKEND_H

#include "fathom/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A physical layout other than plain row-major. Two layouts are equal when type and parameters are.
 * Packing pads with zeros. */
typedef struct fm_layout fm_layout;
typedef struct fm_layout_type {
    const char *name;
    size_t (*bytes)(const fm_layout *layout);
    void (*pack)(const fm_layout *layout, const void *plain, void *packed, int threads);
    /* NULL: there is no way back, so that no variable is ever stored like this: a copy is made of
     * what is computed once. */
    void (*unpack)(const fm_layout *layout, const void *packed, void *plain, int threads);
} fm_layout_type;

struct fm_layout {
    const fm_layout_type *type; /* NULL: plain */
    fm_dtype dtype;
    fm_shape shape; /* logical */
    int64_t parameters[4];
};

/* A node as the kernels see it before anything is allocated: tensors without data. */
typedef struct fm_site {
    fm_context *context;
    const fm_op *op;
    const void *attributes;
    const fm_tensor *inputs, *outputs;
    int input_count, output_count;
    int threads;
    fm_precision precision;        /* of a product, else f32 */
    const bool *input_is_variable; /* or computed once: can live in the layout the kernel wants */
    const bool
        *input_is_steady; /* reordered once, not in each run: the program does not change it */
    const fm_layout *input_layouts, *output_layouts; /* decided once prepare is called */
} fm_site;

/* What a kernel asks for besides its operands. */
typedef struct fm_need {
    size_t scratch_bytes;
    void *state; /* released by the kernel's release */
} fm_need;

enum { FM_MOST_TOGETHER = 64 };

typedef struct fm_kernel {
    const char *name; /* "cpu.matmul" */
    const fm_op *op;
    fm_precision precision; /* the one of whose sites it is asked */
    /* NULL when the kernel can run the site, else the reason it cannot. */
    const char *(*match)(const fm_site *site);
    /* The layouts it wants for the operands (all plain on entry); NULL: plain. An operand that is
     * not given so is reordered. */
    void (*layouts)(const fm_site *site, fm_layout *inputs, fm_layout *outputs);
    fm_status (*prepare)(const fm_site *site, fm_need *need); /* NULL: nothing to prepare */
    void (*run)(const fm_call *call);
    void (*release)(fm_context *context, void *state);
    /* NULL, or what has the results of `run` on each of the calls, at most FM_MOST_TOGETHER, in one
     * region of threads. They have equal attributes and the same operands of rank 0, work in place
     * (fm_op.in_place), and none reads or writes what another writes. */
    void (*run_together)(const fm_call *const *calls, int count);
} fm_kernel;

typedef struct fm_backend {
    const char *name;
    const fm_kernel *(*kernel_at)(int index); /* in order of preference; NULL at the end */
} fm_backend;

/* The backends built in, best first; NULL at the end. */
FM_API const fm_backend *fm_backend_at(int index);
FM_API const fm_backend *fm_backend_find(const char *name);

#ifdef __cplusplus
}
#endif
#endif
