/* Search files of any bytes: a wrong one is an error with words; of what can be read a search is
 * made and its first trials become assignments. */
#include "fathom/tune.h"

#include <string.h>

static void ask_some(fm_context *context, fm_search_file *file)
{
    const fm_search_settings *settings = fm_search_file_about(file);
    fm_search *search;
    if (fm_search_create(context, &settings->space, &settings->options, &search) != FM_OK) return;
    for (int i = 0; i < 8; i++) {
        fm_trial_job job;
        const char *const *set;
        int count;
        if (fm_search_ask(search, &job) != FM_OK || job.state != FM_JOB_READY) break;
        if (fm_search_assign(file, job.values, &set, &count) != FM_OK) break;
        if (fm_search_tell(search, job.trial, (double)count) != FM_OK) __builtin_trap();
    }
    fm_search_destroy(search);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fm_context *context;
    if (fm_context_create(&(fm_context_options){.threads = 1}, &context) != FM_OK) return 0;
    fm_search_file *file;
    if (fm_search_parse(context, "input", (const char *)bytes, size, &file) == FM_OK) {
        ask_some(context, file);
    } else if (!*fm_error_message(context)) {
        __builtin_trap();
    }
    fm_search_close(file);
    fm_context_destroy(context);
    return 0;
}
