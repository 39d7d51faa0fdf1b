#define _GNU_SOURCE
#include "base/context.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MAX_THREADS = 64, LARGE = 8 << 20 /* bytes */ };

static const char *const status_names[] = {
    [FM_OK] = "ok",
    [FM_ERROR_ARGUMENT] = "argument",
    [FM_ERROR_SHAPE] = "shape",
    [FM_ERROR_FORMAT] = "format",
    [FM_ERROR_IO] = "io",
    [FM_ERROR_NOT_FOUND] = "not found",
    [FM_ERROR_MEMORY] = "memory",
    [FM_ERROR_LIMIT] = "limit",
    [FM_ERROR_UNSUPPORTED] = "unsupported",
    [FM_ERROR_NONFINITE] = "non-finite",
    [FM_ERROR_CANCELLED] = "cancelled",
    [FM_ERROR_INTERNAL] = "internal",
};

const char *fm_status_name(fm_status status)
{
    size_t count = sizeof status_names / sizeof *status_names;
    return (size_t)status < count ? status_names[status] : "unknown status";
}

/* Asks for pages of 2 MiB where the system gives them on request alone: translating addresses costs
 * less, and a processor's prefetching ends where a page ends. */
static void prefer_large_pages(void *memory, size_t size)
{
#ifdef MADV_HUGEPAGE
    const uintptr_t page = 2 << 20, begin = ((uintptr_t)memory + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)memory + size) / page * page;
    const int before = errno;
    if (begin < end) madvise((void *)begin, end - begin, MADV_HUGEPAGE);
    errno = before;
#else
    (void)memory, (void)size;
#endif
}

static void *default_allocate(void *user, size_t size)
{
    (void)user;
    void *memory = malloc(size);
    if (memory && size >= LARGE) prefer_large_pages(memory, size);
    return memory;
}

static void default_release(void *user, void *pointer)
{
    (void)user;
    free(pointer);
}

static int available_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : count;
}

fm_status fm_context_create(const fm_context_options *options, fm_context **context)
{
    *context = NULL;
    fm_context_options filled = options ? *options : (fm_context_options){0};
    if (!filled.allocate || !filled.release) {
        filled.allocate = default_allocate;
        filled.release = default_release;
    }
    if (filled.threads <= 0) filled.threads = available_processors();
    if (filled.threads > MAX_THREADS) filled.threads = MAX_THREADS;

    fm_context *made = filled.allocate(filled.allocator_user, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    memset(made, 0, sizeof *made);
    made->options = filled;
    *context = made;
    return FM_OK;
}

fm_status fm_context_fork(const fm_context *context, fm_context **child)
{
    fm_status status = fm_context_create(&context->options, child);
    if (status == FM_OK) (*child)->trace = context->trace;
    return status;
}

void fm_context_destroy(fm_context *context)
{
    if (context) context->options.release(context->options.allocator_user, context);
}

const char *fm_error_message(const fm_context *context)
{
    return context->message;
}

fm_status fm_error_status(const fm_context *context)
{
    return context->status;
}

void fm_error_clear(fm_context *context)
{
    context->status = FM_OK;
    context->message[0] = '\0';
}

int fm_context_threads(const fm_context *context)
{
    return context->options.threads;
}

fm_status fm_fail(fm_context *context, fm_status status, const char *format, ...)
{
    char words[FM_MESSAGE_SIZE]; /* an argument may be the message itself */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    memcpy(context->message, words, sizeof words);
    context->status = status;
    return status;
}

fm_status fm_fail_prefix(fm_context *context, const char *format, ...)
{
    char words[FM_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    size_t used = length < 0                      ? 0
                  : (size_t)length < sizeof words ? (size_t)length
                                                  : sizeof words - 1;
    size_t rest = strnlen(context->message, sizeof words - 1 - used);
    memcpy(words + used, context->message, rest);
    words[used + rest] = '\0';
    memcpy(context->message, words, used + rest + 1);
    return context->status;
}

fm_status fm_fail_copy(fm_context *to, const fm_context *from)
{
    memcpy(to->message, from->message, sizeof to->message);
    to->status = from->status;
    return to->status;
}

void fm_report(const fm_context *context, fm_log_level level, const char *format, ...)
{
    if (!context->options.log) return;
    char line[FM_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    context->options.log(context->options.log_user, level, line);
}
