#include "cli/brief_waiting.h"

#include <stdlib.h>
#include <unistd.h>

/* GCC's threads look 300,000 times whether the others are ready before they sleep. On processors that
 * other programs use as well, this looking keeps the very thread from running that they wait for: a
 * training was seen a hundred times as slow as with this number, which costs nothing where the
 * processors are free. The run-time reads it before main, hence the second start. */
void choose_brief_waiting(char **words)
{
    static const char times[] = "GOMP_SPINCOUNT";
    if (getenv(times) || getenv("OMP_WAIT_POLICY")) return;
    if (setenv(times, "2000", 1) == 0) execv("/proc/self/exe", words);
}
