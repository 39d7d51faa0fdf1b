/* fathom/base.h: contexts, status codes, errors in words, allocation and log hooks.
 *
 * Invariants
 *  - The library never exits, aborts, prints or reads the environment, and has no global mutable
 *    state. Everything hangs on a context.
 *  - A context and what was made from it are used by one thread at a time. Two contexts are
 *    independent: two models may train on two threads.
 *  - Every function that can fail returns a status. The words of the last failure (what was wrong,
 *    shapes received and wanted, file, line and column) are kept by the context until the next one.
 *  - A function that hands out an object stores NULL in its place when it fails; every `destroy`,
 *    `close`, `release` and `free` accepts NULL.
 *  - What else may be NULL is a function's options (all fields are zero then, so at their defaults)
 *    and what a header says may be. No other pointer may: nobody looks for a NULL there, and
 *    reading it ends the process, as in C's own library. Each header lists its own.
 */
#ifndef FATHOM_BASE_H
#define FATHOM_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fathom/options.h"

#if defined(_WIN32)
#define FM_API
#else
#define FM_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define FM_VERSION_MAJOR 0
#define FM_VERSION_MINOR 1
#define FM_VERSION_PATCH 0
#define FM_VERSION       "0.1.0"

typedef enum fm_status {
    FM_OK = 0,
    FM_ERROR_ARGUMENT,    /* a call or a recipe asks for something that has no meaning */
    FM_ERROR_SHAPE,       /* shapes or dtypes do not fit together; the message shows them */
    FM_ERROR_FORMAT,      /* a file's content is not what its format promises */
    FM_ERROR_IO,          /* the system could not read, write, sync or rename */
    FM_ERROR_NOT_FOUND,   /* a file, a name or a data set does not exist */
    FM_ERROR_MEMORY,      /* the allocator returned NULL */
    FM_ERROR_LIMIT,       /* a size in the input exceeds what the reader accepts */
    FM_ERROR_UNSUPPORTED, /* a missing gradient rule, dtype, or a library not built in */
    FM_ERROR_NONFINITE,   /* training met a NaN or an infinity; the message names the layer */
    FM_ERROR_CANCELLED,   /* a callback asked to stop */
    FM_ERROR_INTERNAL     /* a check of our own work failed: please report */
} fm_status;

/* "ok", "argument", "shape", ... Never NULL. */
FM_API const char *fm_status_name(fm_status status);

typedef enum fm_log_level { FM_LOG_DEBUG, FM_LOG_INFO, FM_LOG_WARNING } fm_log_level;

/* Zero is the sensible default of every field.
 *  allocate  like malloc; returns NULL when it cannot. Called from worker threads too, so it must
 *            be thread-safe. Default: malloc.
 *  release   like free; never called with NULL. Default: free.
 *  log       receives one line without a newline. Default: silence.
 *  temporary receives the path of a file that is written under another name, as all are, until it
 *            is complete; then, and when that failed, NULL. A program that a signal ends may
 *            remove it. Called by the thread that writes. Default: nobody is told.
 *  threads   compute threads. Default: one per processor the process may run on, at most 64. */
typedef struct fm_context_options {
    void *(*allocate)(void *user, size_t size);
    void (*release)(void *user, void *pointer);
    void *allocator_user;
    void (*log)(void *user, fm_log_level level, const char *message);
    void *log_user;
    void (*temporary)(void *user, const char *path);
    void *temporary_user;
    int threads;
} fm_context_options;

typedef struct fm_context fm_context;

/* options may be NULL. FM_ERROR_MEMORY is the only failure. */
FM_API fm_status fm_context_create(const fm_context_options *options, fm_context **context);

/* Everything made from the context must have been destroyed before. */
FM_API void fm_context_destroy(fm_context *context);

/* The words and the status of the last failure; "" and FM_OK when there was none. The words stay
 * valid until the next failing call on this context. */
FM_API const char *fm_error_message(const fm_context *context);
FM_API fm_status fm_error_status(const fm_context *context);
FM_API void fm_error_clear(fm_context *context);

/* Compute threads used by kernels prepared from this context. */
FM_API int fm_context_threads(const fm_context *context);

#ifdef __cplusplus
}
#endif
#endif
