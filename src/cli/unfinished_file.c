#include "cli/unfinished_file.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST = 8192 };

static char unfinished[LONGEST];
static atomic_int is_there; /* without a lock, so that handlers may read it */

void unfinished_file_note(void *user, const char *path)
{
    (void)user;
    atomic_store(&is_there, 0);
    size_t size = path ? strlen(path) + 1 : 0;
    if (size == 0 || size > sizeof unfinished) return;
    memcpy(unfinished, path, size);
    atomic_store(&is_there, 1);
}

void end_by_signal(int number)
{
    if (atomic_load(&is_there)) unlink(unfinished);
    signal(number, SIG_DFL);
    raise(number); /* it comes when the handler is over */
}

void unfinished_file_guard(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = end_by_signal, .sa_flags = SA_RESTART}, before;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (sigaction(numbers[i], NULL, &before) != 0 || before.sa_handler == SIG_IGN) continue;
        sigaction(numbers[i], &action, NULL);
    }
}
