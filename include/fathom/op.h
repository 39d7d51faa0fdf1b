/* fathom/op.h: one record describes an op; its address is its opcode.
 *
 * To add an op, inside the library or outside it, write a record: how many inputs, which
 * attributes, what shape comes out, how the gradient is built from other ops, and the portable
 * kernel. Gradient checks, printing, planning and costs follow from the record. See
 * examples/custom_op.c.
 *
 * May be NULL: attributes (zeros), `outputs` where the op has one; of a record what is said to be.
 */
#ifndef FATHOM_OP_H
#define FATHOM_OP_H

#include "fathom/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FM_MAX_INPUTS = 16, FM_MAX_OUTPUTS = 8 };

typedef enum fm_op_flag {
    FM_OP_ELEMENTWISE = 1, /* output i depends on element i of the (broadcast) inputs alone */
    FM_OP_VIEW = 2,        /* the output is input 0's bytes under another shape */
    FM_OP_RANDOM = 4,      /* reads the step's random key: never merged with an equal node */
    FM_OP_COMMUTATIVE = 8, /* its two inputs may change places */
    FM_OP_ANY_LAYOUT = 16, /* elementwise over operands of equal shape: runs on stored bytes */
    FM_OP_NOT_DIFFERENTIABLE = 32, /* has no gradient by nature (comparisons, argmax): zero */
    FM_OP_PRODUCT = 64,            /* sums products of its operands and heeds fm_call.precision */
    FM_OP_UPDATE = 128,            /* an optimiser's step: small ones wait for each other */
} fm_op_flag;

/* A tensor at run time: row-major, 64-byte aligned. */
typedef struct fm_tensor {
    void *data;
    fm_dtype dtype;
    fm_shape shape;
    int64_t count; /* elements */
} fm_tensor;

/* Everything a kernel may look at while running. */
typedef struct fm_call {
    const fm_op *op;
    const void *attributes;
    const fm_tensor *inputs;
    const fm_tensor *outputs; /* the memory behind `data` is the kernel's to write */
    int input_count, output_count;
    int threads;
    fm_precision precision;      /* FM_OP_PRODUCT: how operands are read */
    uint32_t stream;             /* FM_OP_RANDOM: differs from node to node */
    const uint64_t *seed, *step; /* the store's; together with stream the random key */
    void *state;                 /* made by the kernel's prepare */
    void *scratch;               /* bytes it asked for; free to overwrite, contents undefined */
} fm_call;

/* Shape inference: fill outputs or fail in words. */
typedef struct fm_infer {
    fm_graph *graph;
    const fm_op *op;
    const void *attributes;
    const fm_shape *shapes; /* of the inputs */
    const fm_dtype *dtypes;
    int input_count;
    fm_shape *output_shapes;
    fm_dtype *output_dtypes;
} fm_infer;

/* "dense_1: matmul: inner dimensions differ: received (128, 784) and (512, 10)". The op, the scope
 * and every input's shape are added; give only what is wrong and what is wanted. */
FM_API __attribute__((format(printf, 2, 3))) fm_status fm_infer_fail(const fm_infer *infer,
                                                                     const char *format, ...);

/* The vector-Jacobian product: from the gradients of the outputs ({0}: zero) build those of the
 * inputs with ops; leave {0} for zero. Only inputs with wanted[i] are used. */
typedef struct fm_vjp {
    const fm_op *op;
    const void *attributes;
    const fm_val *inputs, *outputs, *output_grads;
    fm_val *input_grads;
    const bool *wanted;
    int input_count;
} fm_vjp;

/* One check of the op, as data: "f(3,4) f(4,5)". Letters say what values suit: f any in [-2, 2],
 * p positive, n away from zero, d all different, u in (0.1, 0.9), w any in [-8, 8], i5 integers
 * 0..4 as i32, b5 as u8. */
typedef struct fm_case {
    const char *inputs;     /* NULL ends the table */
    const void *attributes; /* NULL: zeros */
} fm_case;

/* Costs of one execution. */
typedef struct fm_cost {
    double flops;
} fm_cost;

struct fm_op {
    const char *name;
    const char *doc;  /* one line: the formula */
    const char *onnx; /* ONNX operator, or NULL */
    int min_inputs, max_inputs, outputs;
    uint32_t flags;
    size_t attributes_size;
    const fm_field *attributes;
    fm_status (*infer)(fm_infer *infer);
    void (*vjp)(fm_graph *graph, fm_vjp *vjp);
    void (*run)(const fm_call *call);     /* the portable kernel */
    double (*flops)(const fm_call *call); /* NULL: one per output element */
    int8_t in_place[FM_MAX_OUTPUTS];      /* output i may overwrite input in_place[i] - 1 */
    const fm_case *cases;
};

/* Adds a node and returns its outputs (outputs may be NULL when the op has one). attributes: the
 * op's struct, copied; NULL for zeros. Strings inside must outlive the graph. */
FM_API fm_val fm_node_add(fm_graph *graph, const fm_op *op, const fm_val *inputs, int count,
                          const void *attributes, fm_val *outputs);

/* The built-in ops in a fixed order; i from 0 until NULL. */
FM_API const fm_op *fm_op_at(int i);

#ifdef __cplusplus
}
#endif
#endif
