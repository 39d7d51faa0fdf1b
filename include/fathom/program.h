/* fathom/program.h: the variables' store, and graphs compiled to programs.
 *
 * Invariants
 *  - A store holds the variables by path, the run's seed and the step counter. Programs for train,
 *    evaluate and predict, and for any batch size, share one store. It is always read and written
 *    in plain row-major layout, whatever layout a program keeps inside.
 *  - Everything is decided by fm_program_create: kernels chosen and prepared, layouts, fusion, the
 *    order of steps, one arena with proven offsets. fm_program_run allocates nothing and looks
 *    nothing up.
 *  - What depends on constants and variables alone, and on none that the program updates, is
 *    computed at the first run and again after the store's variables were changed by somebody else:
 *    written, loaded, or trained by another program.
 *  - Same seed, same bits, for any number of threads.
 *  - While a program runs, subnormal numbers count as zeros, as operands and as results (where the
 *    processor can do that: x86, Arm); the caller's floating-point mode is restored.
 *  - Programs must be destroyed before their store; a program owns no graph: it may be destroyed
 *    right after compiling.
 *  - May be NULL: options, `backends`.
 */
#ifndef FATHOM_PROGRAM_H
#define FATHOM_PROGRAM_H

#include "fathom/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- store ----------------------------------------------------------------------------------- */

typedef struct fm_store fm_store;

/* seed: keys the initial values, dropout and every other random op. */
FM_API fm_status fm_store_create(fm_context *context, uint64_t seed, fm_store **store);
FM_API void fm_store_destroy(fm_store *store);

FM_API uint64_t fm_store_seed(const fm_store *store);
FM_API void fm_store_set_seed(fm_store *store, uint64_t seed);
/* Counts the runs of programs that have updates; random ops read it. */
FM_API uint64_t fm_store_step(const fm_store *store);
FM_API void fm_store_set_step(fm_store *store, uint64_t step);

FM_API int fm_store_count(const fm_store *store);

/* What is stored; index from 0 in order of creation. The path stays valid with the store. */
typedef struct fm_variable_info {
    const char *path;
    fm_dtype dtype;
    fm_shape shape;
    bool trainable;
} fm_variable_info;
FM_API fm_variable_info fm_store_info(const fm_store *store, int index);
FM_API int fm_store_find(const fm_store *store, const char *path); /* -1 when absent */

/* Copy a whole variable, plain row-major; the caller's memory holds elements * size bytes. */
FM_API fm_status fm_store_read(fm_store *store, int index, void *elements);
FM_API fm_status fm_store_write(fm_store *store, int index, const void *elements);
/* Adds a variable (or overwrites an equal one) before any program names it: loading a file. */
FM_API fm_status fm_store_put(fm_store *store, const char *path, fm_dtype dtype, fm_shape shape,
                              bool trainable, const void *elements);

/* ---- programs -------------------------------------------------------------------------------- */

typedef struct fm_program fm_program;

/* backends         names in order of preference, ending with NULL; default: every fast one that is
 *                  built in, then "portable". "portable" alone runs the textbook.
 * no_fusion, no_simplify, no_fold, no_prologue  without this pass; for comparing
 * shares_arena     the store's programs with this option use one arena, as large as the largest
 *                  needs, instead of one each. What an output holds stays there until the next run
 *                  of its own program, as ever.
 * memory           bytes that the arena (activations, gradients, scratch: the summary's
 *                  arena_bytes) may take; 0: whatever is fastest. Above it forward values are
 *                  dropped and computed again in backward (Chen et al. 2016), cheap ones first; the
 *                  bits stay the same. FM_ERROR_ARGUMENT when that is not enough, with the least
 *                  that is.
 * precision        fm_precision of every product of matrices in the program (tensor.h), those of
 *                  attention, recurrent cells and most convolutions but 3x3 ones of stride 1 among
 *                  them; values, variables and all else stay as they are
 * private_buffers  every value has its own memory: the oracle of the memory planner's tests.
 * check_finite     after each step look for NaN and infinity: slow, for finding the first one. */
typedef struct fm_program_options {
    const char *const *backends;
    bool no_fusion;
    bool no_simplify;
    bool no_fold;
    bool no_prologue;
    bool shares_arena;
    size_t memory;
    int precision;
    bool private_buffers;
    bool check_finite;
} fm_program_options;

/* Compiles what the graph's outputs and updates need. Variables that the store lacks are created
 * with their initial values; one of another shape is FM_ERROR_SHAPE with both shapes. */
FM_API fm_status fm_program_create(fm_store *store, const fm_graph *graph,
                                   const fm_program_options *options, fm_program **program);
FM_API void fm_program_destroy(fm_program *program);

/* Where input `name` is read from and outputs can be found after a run: row-major, 64-byte aligned,
 * valid with the program. NULL for an unknown name. */
FM_API void *fm_program_input(fm_program *program, const char *name);
FM_API const void *fm_program_output(fm_program *program, const char *name);
/* Reads input `name` from the caller's memory (64-byte aligned, alive during runs) instead of the
 * program's own: a loader's batch without a copy. */
FM_API fm_status fm_program_bind_input(fm_program *program, const char *name, const void *elements);

/* FM_ERROR_NONFINITE with check_finite names the first step and scope that made a NaN or infinity;
 * FM_ERROR_MEMORY a shared arena that was lost when it could not grow; otherwise it cannot fail.
 * Adds 1 to the store's step if the program has updates. */
FM_API fm_status fm_program_run(fm_program *program);

/* Carried variables (graph.h), in order of creation: index from 0, path NULL at the end. data is
 * plain row-major, the caller's to read and write between runs, valid with the program. */
typedef struct fm_carried_variable {
    const char *path;
    fm_dtype dtype;
    fm_shape shape;
    void *data;
} fm_carried_variable;
FM_API fm_carried_variable fm_program_carried(const fm_program *program, int index);
/* All of them are as they were when the program was created: the next run begins a sequence. */
FM_API fm_status fm_program_reset(fm_program *program);

/* What compiling decided. Bytes: the arena (activations, gradients, scratch), the lower bound that
 * lifetimes allow, variables. Kept: what the first `prologue_steps` make once, and outputs apart
 * from a shared arena. flops of one run without the prologue, and those of them that read their
 * operands as bf16. The last two tell what `memory` has changed: the arena without it, and the part
 * of the flops that are computed a second time. */
typedef struct fm_program_summary {
    int steps, prologue_steps;
    size_t arena_bytes, arena_bound, kept_bytes, variable_bytes, constant_bytes, input_bytes;
    double flops, bf16_flops;
    size_t plain_arena_bytes;
    double repeated_flops;
} fm_program_summary;
FM_API fm_program_summary fm_program_summarize(const fm_program *program);

/* Steps, kernels, why each was chosen (`why`: and why others refused), buffers with offsets. */
FM_API fm_status fm_program_print(const fm_program *program, bool why, char **text);

/* One step's cost: the shortest time of several runs, and the bytes of its operands, which it reads
 * or writes once at least. Names are valid with the program. */
typedef struct fm_step_cost {
    const char *op, *kernel, *scope;
    double seconds, flops, bytes;
} fm_step_cost;

/* Runs the program `runs` + 1 times (a training step trains) and fills a row for each of the steps
 * that fm_program_summary counts. */
FM_API fm_status fm_program_profile(fm_program *program, int runs, fm_step_cost *costs);
/* The same in words: the time by kernel, then the dearest steps with their operands. */
FM_API fm_status fm_program_print_profile(fm_program *program, int runs, char **text);

#ifdef __cplusplus
}
#endif
#endif
