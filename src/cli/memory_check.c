#include "cli/memory_check.h"
#include "base/context.h"

#include <math.h>
#include <string.h>

/* A number behind `key` in a file of lines; NaN when it is not there. An empty key:
 * the file's first word. */
static double number_in(const char *path, const char *key)
{
    char line[256];
    double number = NAN, found;
    FILE *stream = fopen(path, "r");
    if (!stream) return NAN;
    while (isnan(number) && fgets(line, sizeof line, stream)) {
        if (strncmp(line, key, strlen(key)) != 0) continue;
        if (sscanf(line + strlen(key), "%lf", &found) == 1) number = found;
    }
    fclose(stream);
    return number;
}

/* What the system says is free, and what its control group leaves this process. */
double memory_free(void)
{
    double bytes = 1024 * number_in("/proc/meminfo", "MemAvailable:");
    double most = number_in("/sys/fs/cgroup/memory.max", "");
    double used = number_in("/sys/fs/cgroup/memory.current", "");
    double cache = number_in("/sys/fs/cgroup/memory.stat", "inactive_file ");
    double left = most - used + (isnan(cache) ? 0 : cache);
    if (isnan(bytes)) bytes = INFINITY;
    return left < bytes ? left : bytes;
}

fm_status memory_check(invocation *s, fm_model *model, int64_t batch_size)
{
    fm_program *program;
    fm_status status =
        fm_model_program(model, FM_TRAIN, fm_model_step_batch(model, batch_size), &program);
    if (status == FM_ERROR_MEMORY) {
        return fm_fail_prefix(s->context,
                              "training in batches of %lld does not fit into memory, a smaller "
                              "--batch-size or --set train.memory=SIZE may: ",
                              (long long)batch_size);
    }
    if (status != FM_OK) return status;
    fm_program_summary summary = fm_program_summarize(program);
    /* variables are there already; fit keeps a copy of them */
    double needed = (double)summary.arena_bytes + (double)summary.variable_bytes;
    double available = memory_free();
    if (needed <= available) return FM_OK;
    char total[32], arena[32], rest[32];
    return fm_fail(s->context, FM_ERROR_MEMORY,
                   "training in batches of %lld takes %s more (%s of it activations, gradients and "
                   "scratch), and %s are free. A smaller --batch-size takes less; --set "
                   "train.memory=SIZE sets a budget, for which values are computed twice",
                   (long long)batch_size, show_bytes(needed, total),
                   show_bytes((double)summary.arena_bytes, arena), show_bytes(available, rest));
}
