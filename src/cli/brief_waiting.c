#include "cli/brief_waiting.h"

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* GCC's threads look 300,000 times whether the others are ready before they sleep. On processors
 * that other programs use as well, this looking keeps the very thread from running that they wait
 * for: a training was seen a hundred times as slow as with this number, which costs nothing where
 * the processors are free. The run-time reads it before main. */
static char brief[] = "GOMP_SPINCOUNT=2000";

static bool is_named(const char *variable, const char *name)
{
    while (*name && *variable == *name) variable++, name++;
    return !*name && *variable == '=';
}

/* Functions of .preinit_array run before the libraries' own and see the environment where it lies.
 * It cannot grow there, but a place can be had: that of `_`, by which shells tell a program its
 * path, and which nothing here reads. Starting over, as below, costs as much as all else that
 * starting takes. No function of another library may be called yet. */
static void take_a_place(int count, char **words, char **environment)
{
    char **place = NULL;
    (void)count, (void)words;
    for (char **variable = environment; *variable; variable++) {
        if (is_named(*variable, "GOMP_SPINCOUNT") || is_named(*variable, "OMP_WAIT_POLICY")) return;
        if (is_named(*variable, "_")) place = variable;
    }
    if (place) *place = brief;
}

__attribute__((section(".preinit_array"),
               used)) static void (*const before_libraries)(int, char **, char **) = take_a_place;

void choose_brief_waiting(char **words)
{
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY")) return;
    if (putenv(brief) == 0) execv("/proc/self/exe", words);
}
