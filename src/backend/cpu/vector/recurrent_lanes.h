/* A cell's functions on vectors of units, from the textbook's where these need no exponential. */
#ifndef FM_BACKEND_CPU_RECURRENT_LANES_H
#define FM_BACKEND_CPU_RECURRENT_LANES_H

#include "backend/cpu/vector/recurrent_math.h"

#define KERNEL_FILE "kernel/recurrent.h"
#include "backend/cpu/vector/instantiate_vector.h"

#define RARE static __attribute__((noinline, unused))

/* x = f(x), lane by lane. */
#define EACH_LANE(x, f)                                                                            \
    do {                                                                                           \
        float lane[VECTOR_LENGTH];                                                                 \
        store(lane, x);                                                                            \
        for (int i = 0; i < VECTOR_LENGTH; i++) lane[i] = f;                                       \
        x = load(lane);                                                                            \
    } while (0)

RARE vector other_cell_lanes(int kind, vector x)
{
    if (kind == KERNEL_CELL_SIGMOID) return sigmoid_lanes(x);
    if (kind == KERNEL_CELL_RELU) EACH_LANE(x, relu_f32(lane[i], 0));
    return x;
}

INLINE vector cell_lanes(int kind, vector x)
{
    return kind == KERNEL_CELL_TANH ? tanh_lanes(x) : other_cell_lanes(kind, x);
}

RARE vector other_gate_lanes(vector x)
{
    EACH_LANE(x, hard_sigmoid_f32(lane[i], 0));
    return x;
}

INLINE vector gate_lanes(int kind, vector x)
{
    return kind == KERNEL_GATE_SIGMOID ? sigmoid_lanes(x) : other_gate_lanes(x);
}

/* Their slopes where the values are y. */
RARE vector other_cell_slopes(int kind, vector y)
{
    EACH_LANE(y, cell_slope_f32(kind, lane[i]));
    return y;
}

INLINE vector cell_slopes(int kind, vector y)
{
    if (kind == KERNEL_CELL_TANH) return 1 - y * y;
    return other_cell_slopes(kind, y);
}

RARE vector other_gate_slopes(int kind, vector y)
{
    EACH_LANE(y, gate_slope_f32(kind, lane[i]));
    return y;
}

INLINE vector gate_slopes(int kind, vector y)
{
    if (kind == KERNEL_GATE_SIGMOID) return y * (1 - y);
    return other_gate_slopes(kind, y);
}

/* Cells of tanh and sigmoid, which nearly all are, have loops of their own. */
INLINE bool is_usual_cell(const kernel_recurrence *r)
{
    return r->cell == KERNEL_CELL_TANH && r->gate == KERNEL_GATE_SIGMOID;
}

#endif
