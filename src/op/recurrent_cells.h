/* What the recurrent ops share: a cell as a record, from which shape rules, operands' places and
 * the gradient's operands follow. */
#ifndef FM_RECURRENT_CELLS_H
#define FM_RECURRENT_CELLS_H

#include "kernel/recurrence.h"
#include "op/op_tools.h"
#include "op/recurrent_attributes.h"

enum { FM_RECURRENT_MOST_RESULTS = 5 };

typedef struct fm_recurrent_cell fm_recurrent_cell;

/* The sizes of one call. */
typedef struct fm_recurrent_sizes {
    int64_t batch, time, units, width;
    int saved; /* blocks of `gates` */
} fm_recurrent_sizes;

/* A step of the gradient as a composite (recurrent_unrolled.h). */
struct fm_unrolled;

struct fm_recurrent_cell {
    const fm_op *forward, *backward;
    int gates;        /* column blocks of x */
    bool has_cell;    /* a second state */
    bool keeps_gates; /* results behind the states: gates, and with has_cell cells */
    bool is_allowed[FM_RECURRENT_OPTIONALS];
    void (*pull)(struct fm_unrolled *u, int64_t step);
};

extern const fm_recurrent_cell fm_simple_cell, fm_lstm_cell, fm_gru_cell;
/* The cell whose op it is, in one direction or the other. */
const fm_recurrent_cell *fm_recurrent_cell_of(const fm_op *op);

/* Operands that are always there: x, R, state, [cell]; of the gradient R, state, [cell], y, [gates,
 * cells]. */
int fm_recurrent_fixed(const fm_recurrent_cell *cell);
int fm_recurrent_grad_fixed(const fm_recurrent_cell *cell);

/* Blocks of `gates`. */
int fm_recurrent_saved(const fm_recurrent_cell *cell, const fm_recurrent_attributes *attributes);

/* ---- what the records of ops are made of ---- */

fm_status fm_recurrent_infer(fm_infer *infer);
fm_status fm_recurrent_grad_infer(fm_infer *infer);

/* The gradient op's node; a forward op that has not kept what it reads is computed again. */
void fm_recurrent_vjp(fm_graph *g, fm_vjp *vjp);
/* By a composite of ordinary ops (recurrent_unrolled.c). */
void fm_recurrent_grad_vjp(fm_graph *g, fm_vjp *vjp);

double fm_recurrent_flops(const fm_call *call);
double fm_recurrent_grad_flops(const fm_call *call);

/* {"f(2,3)", attributes} and, among these, that there is an optional operand. */
#define FM_RECURRENT_CASE(text, ...)                                                               \
    {                                                                                              \
        text, &(const fm_recurrent_attributes)                                                     \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define FM_RECURRENT_HAS(which) .has[FM_RECURRENT_##which] = true

/* ---- of a call ---- */

/* Its sizes and choices, for kernels. */
kernel_recurrence fm_recurrence_of(const fm_call *call);

/* The data of an optional operand behind `fixed` others, or NULL. */
const void *fm_recurrent_data(const fm_call *call, int fixed, int which);
/* The data of result i, NULL when it has no elements. */
void *fm_recurrent_result(const fm_call *call, int i);

/* A node for a builder's operands: {x, R, state, [cell]} and what `recurrence` has. results has the
 * forward op's number. */
fm_val fm_recurrent_add(fm_graph *g, const fm_recurrent_cell *cell, const fm_val *fixed,
                        const fm_recurrence *recurrence, fm_val *results);

extern const fm_field fm_recurrent_fields[];

#endif
